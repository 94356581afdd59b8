//! What the journey asks of its surroundings.

use tidegate_abi::{Address, FlowKey, flow::TICK_SHIFT};

/// Where the routing table sends a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// Out of a device.
    Via {
        /// Interface index.
        device: u32,
        /// Destination and source Ethernet address, when the neighbour is known.
        macs: Option<[u8; 12]>,
        /// Whether a socket buffer, too, may be given these addresses: it is an Ethernet link, and a packet has
        /// gone there in this tick. That one the kernel sent itself, unless XDP did, so that it keeps asking
        /// whether the neighbour is there.
        is_direct: bool,
    },
    /// There is a way, but the packet does not fit it.
    TooBig {
        /// The link's MTU in bytes, from the IP header on.
        mtu: u32,
    },
    /// The routing table says that there is no way.
    Unreachable,
    /// None that leads out of this host.
    None,
}

/// Time.
pub trait Clock {
    /// `CLOCK_MONOTONIC` nanoseconds.
    fn now_ns(&self) -> u64;

    /// The present tick.
    #[inline(always)]
    fn tick(&self) -> u32 {
        (self.now_ns() >> TICK_SHIFT) as u32
    }
}

/// Time, routes and sockets.
pub trait World<A: Address>: Clock {
    /// Any number.
    fn random(&self) -> u32;
    /// Whether one more packet may be answered in this moment: a flood must not make this node flood others.
    fn may_answer(&self) -> bool;
    /// The way of a packet that entered at `device` and now has the tuple `key`; `len` bytes from the
    /// IP header on, 0 when no MTU concerns it.
    fn route(&self, device: u32, key: &FlowKey<A>, len: u32) -> Route;
    /// Whether a socket of this host would answer packets with this tuple.
    fn socket_answers(&self, key: &FlowKey<A>) -> bool;
}
