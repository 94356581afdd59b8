//! What the data path tells the agent: counters, and sampled events.

use bytemuck::{Pod, Zeroable};

/// One entry of the per-CPU `counters` map, indexed by reason number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Counter {
    /// Packets that ended with this reason.
    pub packets: u64,
    /// Their bytes, frame headers included.
    pub bytes: u64,
}

/// A sampled drop.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Pod, Zeroable)]
pub struct Event {
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub time_ns: u64,
    /// Number of the [`crate::Reason`].
    pub reason: u32,
    /// Interface index at which the packet entered.
    pub device: u32,
    /// Frame length in bytes.
    pub len: u32,
    /// How many bytes of `head` are valid.
    pub head_len: u32,
    /// The frame's first bytes.
    pub head: [u8; HEAD],
}

/// Bytes of a frame that an event carries: Ethernet, one tag, IPv6 and the ports.
pub const HEAD: usize = 64;
