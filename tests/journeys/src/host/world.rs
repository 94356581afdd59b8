//! Time that stands still, a routing table and sockets, all of them made up.

use std::cell::Cell;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use tidegate_abi::{Address, FlowKey, Proto, flow::TICK_SHIFT};
use tidegate_datapath::{Clock, Route, World};

use crate::network::Network;

/// What surrounds the journey.
#[derive(Debug, Default)]
pub struct HostWorld {
    /// The present tick.
    pub tick: Cell<u32>,
    /// The number that was drawn last.
    pub random: Cell<u32>,
    /// Whether too many packets were answered lately.
    pub is_flooded: Cell<bool>,
    /// Devices, routes and neighbours.
    pub network: Network,
    /// Whether a packet has gone to each next hop in this tick, as for [`Route::Via`].
    pub has_remembered_hops: bool,
    /// Where sockets of this host answer; the unspecified address: on all of its addresses.
    pub sockets: HashSet<(Proto, SocketAddr)>,
}

impl Clock for HostWorld {
    fn now_ns(&self) -> u64 {
        // In the midst of it, where no clock is at a turn.
        (u64::from(self.tick.get()) << TICK_SHIFT) + (1 << (TICK_SHIFT - 1))
    }
}

impl<A: Address> World<A> for HostWorld {
    fn random(&self) -> u32 {
        let next = self.random.get().wrapping_mul(0x9e37_79b1).wrapping_add(1);
        self.random.set(next);
        next
    }

    fn may_answer(&self) -> bool {
        !self.is_flooded.get()
    }

    fn route(&self, _device: u32, key: &FlowKey<A>, len: u32) -> Route {
        match self.network.route(key.dst.to_ip(), len) {
            Route::Via { device, macs, .. } => Route::Via {
                device,
                macs,
                is_direct: self.has_remembered_hops && macs.is_some(),
            },
            other => other,
        }
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
