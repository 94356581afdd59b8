//! Who is who in a test: one set of addresses for each family, the same in all floors.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The client's network card; the default source of a built frame.
pub const CLIENT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x0c];
/// The node's network card; the default destination of a built frame.
pub const NODE_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x0e];
/// The backend's network card.
pub const BACKEND_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x0b];

/// The textbook scene: a laptop, a node, a Service and its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Off the cluster, with an ephemeral port.
    pub client: SocketAddr,
    /// The Service's cluster address and port.
    pub service: SocketAddr,
    /// The same Service at the node's own address.
    pub node_port: SocketAddr,
    /// A pod on this node.
    pub backend: SocketAddr,
    /// A pod on the other node.
    pub remote_backend: SocketAddr,
}

impl Roles {
    /// The scene in IPv4.
    pub fn v4() -> Self {
        let at = |ip: [u8; 4], port| SocketAddr::from((Ipv4Addr::from(ip), port));
        Self {
            client: at([192, 168, 1, 10], 40000),
            service: at([10, 96, 0, 10], 80),
            node_port: at([192, 168, 1, 2], 30008),
            backend: at([10, 244, 0, 5], 8080),
            remote_backend: at([10, 244, 1, 5], 8080),
        }
    }

    /// The scene in IPv6.
    pub fn v6() -> Self {
        let at = |third: u16, last: u16, port| {
            let ip = Ipv6Addr::new(0xfd00, 0x7469, third, 0, 0, 0, 0, last);
            SocketAddr::from((ip, port))
        };
        Self {
            client: at(1, 0x10, 40000),
            service: at(0x96, 0x10, 80),
            node_port: at(1, 2, 30008),
            backend: at(0x244, 5, 8080),
            remote_backend: at(0x245, 5, 8080),
        }
    }

    /// All of them, to draw from.
    pub fn all(&self) -> [SocketAddr; 5] {
        [
            self.client,
            self.service,
            self.node_port,
            self.backend,
            self.remote_backend,
        ]
    }
}
