//! The node on which all journeys take place: two uplinks, two pods, a tunnel; both families.

use std::net::{IpAddr, SocketAddr};

use tidegate_abi::settings::{Range4, Range6};
use tidegate_abi::{Address as _, Device, Ip4, Ip6, LocalPod, Mac, Port, Proto, Settings, device};
use tidegate_frames::Roles;
use tidegate_frames::roles::{BACKEND_MAC, CLIENT_MAC, NODE_MAC};

use crate::network::{Link, Network, Via};
use crate::scene::Scene;

/// The device at which clients come in, of full size.
pub const UPLINK: u32 = 101;
/// Another one, whose link carries less.
pub const NARROW: u32 = 102;
/// What the narrow link carries.
pub const NARROW_MTU: u32 = 1300;
/// The host end of the cable to [`Roles::backend`].
pub const POD: u32 = 121;
/// The host end of the cable to [`Places::sibling`].
pub const SIBLING: u32 = 122;
/// A tunnel.
pub const OVERLAY: u32 = 131;

/// First and last masquerade port, unless a test wants others.
pub const MASQUERADE: (u16, u16) = (61_000, 61_999);

/// A pod's own network card.
pub const POD_MAC: [u8; 6] = [0x02, 0, 0, 0, 1, 1];
/// The other pod's.
pub const SIBLING_MAC: [u8; 6] = [0x02, 0, 0, 0, 1, 2];

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

/// The node's devices, addresses, routes and neighbours.
pub fn network() -> Network {
    let (v4, v6) = (Places::v4(), Places::v6());
    let link = |index, name, mac, mtu| Link {
        index,
        name,
        mac,
        mtu,
        addresses: Vec::new(),
    };
    let mut network = Network {
        links: vec![
            link(UPLINK, "wan", NODE_MAC, 1500),
            link(NARROW, "narrow", [0x02, 0, 0, 0, 2, 0x0e], NARROW_MTU),
            link(POD, "pod", [0x02, 0, 0, 0, 3, 1], 1500),
            link(SIBLING, "sibling", [0x02, 0, 0, 0, 3, 2], 1500),
            link(OVERLAY, "tunnel", [0x02, 0, 0, 0, 3, 3], 1450),
        ],
        ..Network::default()
    };
    for (places, net, one) in [(v4, 24, 32), (v6, 64, 128)] {
        let roles = places.roles;
        let own = [
            roles.node_port.ip(),
            places.second_node_port.ip(),
            places.masquerade,
        ];
        network.links[0].addresses.extend(own.map(|ip| (ip, net)));
        network.links[1]
            .addresses
            .push((places.narrow_masquerade, net));
        let (router, narrow_router) = (
            last_byte(roles.client.ip(), 20),
            last_byte(places.narrow_masquerade, 20),
        );
        let silent_router = last_byte(roles.client.ip(), 21);
        network.routes.extend([
            (roles.backend.ip(), one, Via::Device(POD)),
            (places.sibling.ip(), one, Via::Device(SIBLING)),
            (
                last_byte(roles.remote_backend.ip(), 0),
                net,
                Via::Gateway(UPLINK, router),
            ),
            (
                last_byte(places.narrow_backend.ip(), 0),
                net,
                Via::Gateway(NARROW, narrow_router),
            ),
            (
                last_byte(places.silent_backend.ip(), 0),
                net,
                Via::Gateway(UPLINK, silent_router),
            ),
            (
                last_byte(places.lost_backend.ip(), 0),
                net,
                Via::Unreachable,
            ),
        ]);
        network.neighbours.extend([
            (UPLINK, roles.client.ip(), CLIENT_MAC),
            (UPLINK, places.neighbour.ip(), [0x02, 0, 0, 0, 0, 0x1c]),
            (UPLINK, router, BACKEND_MAC),
            (NARROW, narrow_router, [0x02, 0, 0, 0, 2, 0x0b]),
            (POD, roles.backend.ip(), POD_MAC),
            (SIBLING, places.sibling.ip(), SIBLING_MAC),
        ]);
    }
    network
}

/// The address with another last byte.
fn last_byte(ip: IpAddr, last: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            [a, b, c, last].into()
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            [a, b, c, d, 0, 0, 0, u16::from(last)].into()
        }
    }
}

/// The node without a Service: settings, devices, the ways to its pods.
pub fn scene() -> Scene {
    let (v4, v6) = (Places::v4(), Places::v6());
    let masquerade = |four: IpAddr, six: IpAddr| Device {
        masquerade4: Ip4::from_ip(four).unwrap_or_default(),
        masquerade6: Ip6::from_ip(six).unwrap_or_default(),
        flags: 0,
    };
    let pod = Device {
        flags: device::flags::PEER,
        ..Device::default()
    };
    let way = |index: u32, mac| LocalPod {
        device: index,
        pod_mac: Mac(mac),
        host_mac: Mac(network().link(index).map_or([0; 6], |link| link.mac)),
    };
    let mut scene = Scene {
        settings: settings(&v4, &v6),
        devices: vec![
            (UPLINK, masquerade(v4.masquerade, v6.masquerade)),
            (
                NARROW,
                masquerade(v4.narrow_masquerade, v6.narrow_masquerade),
            ),
            (POD, pod),
            (SIBLING, pod),
            (OVERLAY, Device::default()),
        ],
        ..Scene::default()
    };
    for places in [v4, v6] {
        scene
            .pods
            .push((places.roles.backend.ip(), way(POD, POD_MAC)));
        scene
            .pods
            .push((places.sibling.ip(), way(SIBLING, SIBLING_MAC)));
        // The clusterIP itself is known, so that unknown ports of it are told apart (rule 2.4.9).
        let address = SocketAddr::new(places.roles.service.ip(), 0);
        let flags =
            tidegate_abi::frontend::flags::INTERNAL | tidegate_abi::frontend::flags::ADDRESS_ONLY;
        scene.frontend(address, Proto(0), flags, &[]);
    }
    scene
}

fn settings(v4: &Places, v6: &Places) -> Settings {
    let mut settings = Settings {
        node4: Ip4::from_ip(v4.roles.node_port.ip()).unwrap_or_default(),
        node6: Ip6::from_ip(v6.roles.node_port.ip()).unwrap_or_default(),
        masquerade_min: MASQUERADE.0,
        masquerade_max: MASQUERADE.1,
        ..Settings::default()
    };
    settings.service4[0] = Range4 {
        base: Ip4::new([10, 96, 0, 0]),
        mask: Ip4::new([255, 240, 0, 0]),
    };
    let base = Ip6::from_ip(last_byte(v6.roles.service.ip(), 0)).unwrap_or_default();
    let mut mask = [0xff; 16];
    mask[8..].fill(0);
    settings.service6[0] = Range6 {
        base,
        mask: Ip6::new(mask),
    };
    settings
}

/// A port as the maps hold it.
pub fn port(at: SocketAddr) -> Port {
    Port::new(at.port())
}
