//! Who is where around the textbook node.

use std::net::{IpAddr, SocketAddr};

use tidegate_frames::Roles;

use crate::textbook::MASQUERADE;

/// The addresses of one family, beside the roles that all floors share.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Laptop, Service, pods.
    pub roles: Roles,
    /// The node's second address on the uplink, with the NodePort's port.
    pub second_node_port: SocketAddr,
    /// What the uplink masquerades to: neither of the two.
    pub masquerade: IpAddr,
    /// What the narrow uplink masquerades to.
    pub narrow_masquerade: IpAddr,
    /// The second pod of this node.
    pub sibling: SocketAddr,
    /// A pod behind the narrow uplink.
    pub narrow_backend: SocketAddr,
    /// A pod whose node nobody has asked for its Ethernet address yet.
    pub silent_backend: SocketAddr,
    /// A pod to which no route leads.
    pub lost_backend: SocketAddr,
    /// A second client on the uplink's link.
    pub neighbour: SocketAddr,
    /// An address of the service range that no Service owns.
    pub unowned: SocketAddr,
    /// An address that has nothing to do with Services.
    pub elsewhere: SocketAddr,
}

impl Places {
    /// Those of IPv4.
    pub fn v4() -> Self {
        Self::of(Roles::v4(), |net, last| match net {
            "lan" => [192, 168, 1, last].into(),
            "narrow" => [192, 168, 2, last].into(),
            "pods" => [10, 244, 0, last].into(),
            "narrow pods" => [10, 244, 2, last].into(),
            "silent pods" => [10, 244, 3, last].into(),
            "lost pods" => [10, 244, 4, last].into(),
            "services" => [10, 96, 0, last].into(),
            _ => [203, 0, 113, last].into(),
        })
    }

    /// Those of IPv6.
    pub fn v6() -> Self {
        Self::of(Roles::v6(), |net, last| {
            let third = match net {
                "lan" => 1,
                "narrow" => 2,
                "pods" => 0x244,
                "narrow pods" => 0x246,
                "silent pods" => 0x247,
                "lost pods" => 0x248,
                "services" => 0x96,
                _ => 0x999,
            };
            [0xfd00, 0x7469, third, 0, 0, 0, 0, u16::from(last)].into()
        })
    }

    fn of(roles: Roles, at: impl Fn(&str, u8) -> IpAddr) -> Self {
        Self {
            roles,
            second_node_port: SocketAddr::new(at("lan", 3), roles.node_port.port()),
            masquerade: at("lan", 4),
            narrow_masquerade: at("narrow", 2),
            sibling: SocketAddr::new(at("pods", 6), 8080),
            narrow_backend: SocketAddr::new(at("narrow pods", 5), 8080),
            silent_backend: SocketAddr::new(at("silent pods", 5), 8080),
            lost_backend: SocketAddr::new(at("lost pods", 5), 8080),
            neighbour: SocketAddr::new(at("lan", 11), roles.client.port()),
            unowned: SocketAddr::new(at("services", 200), 80),
            elsewhere: SocketAddr::new(at("elsewhere", 9), 443),
        }
    }

    /// Everybody, to draw from.
    pub fn all(&self) -> Vec<SocketAddr> {
        let mut all = self.roles.all().to_vec();
        all.extend([
            self.second_node_port,
            SocketAddr::new(self.masquerade, MASQUERADE.0),
            self.sibling,
            self.narrow_backend,
            self.silent_backend,
            self.lost_backend,
            self.neighbour,
            self.unowned,
            self.elsewhere,
        ]);
        all
    }
}
