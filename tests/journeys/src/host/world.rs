//! Time that stands still, a routing table and sockets, all of them made up.

use std::cell::Cell;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use tidegate_abi::{Address, FlowKey, Proto};
use tidegate_datapath::{Route, World};

use crate::network::Network;

/// What surrounds the journey.
#[derive(Debug, Default)]
pub struct HostWorld {
    /// The present tick.
    pub tick: Cell<u32>,
    /// Devices, routes and neighbours.
    pub network: Network,
    /// Where sockets of this host answer; the unspecified address: on all of its addresses.
    pub sockets: HashSet<(Proto, SocketAddr)>,
}

impl<A: Address> World<A> for HostWorld {
    fn tick(&self) -> u32 {
        self.tick.get()
    }

    fn route(&self, _device: u32, key: &FlowKey<A>, len: u32) -> Route {
        self.network.route(key.dst.to_ip(), len)
    }

    fn socket_answers(&self, key: &FlowKey<A>) -> bool {
        let (ip, port) = (key.dst.to_ip(), key.dst_port.get());
        let anywhere: IpAddr = if ip.is_ipv4() {
            [0; 4].into()
        } else {
            [0; 16].into()
        };
        [ip, anywhere].iter().any(|ip| {
            self.sockets
                .contains(&(key.proto, SocketAddr::new(*ip, port)))
        })
    }
}
