//! What the data path tells the agent: counters, and events that somebody asked for.

use bytemuck::{Pod, Zeroable};

use crate::addr::{Ip6, Port};

/// One entry of the per-CPU `counters` map, indexed by reason number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Counter {
    /// Packets that ended with this reason.
    pub packets: u64,
    /// Their bytes, frame headers included.
    pub bytes: u64,
}

/// One entry of a per-CPU map of traffic, indexed by the id of a service port or of a backend.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Traffic {
    /// Packets from clients to backends.
    pub packets: u64,
    /// Their bytes, frame headers included, as they came in.
    pub bytes: u64,
    /// Packets from backends to clients.
    pub reply_packets: u64,
    /// Their bytes, frame headers included, as they came in.
    pub reply_bytes: u64,
    /// Flows that began, those of host processes (which are translated by socket) included.
    pub opened: u64,
    /// Packets, and calls of host processes, that were rejected or dropped, those of new flows mostly; service
    /// ports only.
    pub refused: u64,
}

/// A packet that somebody asked to hear of: one that was rejected or dropped, or that opened a flow.
///
/// Addresses are those of the packet as it entered; IPv4 ones in their IPv4-mapped form
/// (RFC 4291, section 2.5.5.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Event {
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub time_ns: u64,
    /// Number of the [`crate::Reason`].
    pub reason: u32,
    /// Interface index at which the packet entered; 0: a socket of this host.
    pub device: u32,
    /// Length of the IP packet in bytes, or of the frame where the packet was not understood; 0: a socket.
    pub len: u32,
    /// The service port; 0: none, or it was not got so far.
    pub service: u32,
    /// For a new flow: the backend that it got.
    pub backend: u32,
    /// Transport protocol; 0: the packet was not understood so far, and the addresses may be missing too.
    pub proto: u32,
    /// Source address.
    pub src: Ip6,
    /// Destination address: the frontend.
    pub dst: Ip6,
    /// For a new flow: the address of the backend.
    pub to: Ip6,
    /// For a new flow: the source that the backend sees.
    pub seen_as: Ip6,
    /// Source port.
    pub src_port: Port,
    /// Destination port.
    pub dst_port: Port,
    /// The backend's port.
    pub to_port: Port,
    /// The source port that the backend sees.
    pub seen_as_port: Port,
}

/// The one entry of the `event_filter` map: which packets are told of. A packet must pass every test.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct EventFilter {
    /// Bit `n` set: packets that ended with reason number `n`. 0: nobody listens.
    pub reasons: u64,
    /// Source or destination must be in this block, in the form of [`Event::src`].
    pub addr: Ip6,
    /// The block's netmask; all zero: any address.
    pub mask: Ip6,
    /// Only this service port; 0: any.
    pub service: u32,
    /// One packet in `2^shift`, at most 31.
    pub shift: u32,
}
