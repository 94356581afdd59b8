//! Flow records: one translated connection is a forward and a reply record.
//!
//! A record is found by the tuple of the packet *as it enters* and holds the tuple with which it leaves,
//! so forward and reply are one lookup and one rewrite. The reply record's key is the forward record's
//! result turned round, and the other way about: either record leads to the other.

use crate::{
    addr::{Address, Ip4, Ip6, Port, Proto},
    wire::wire_struct,
};

/// The tuple of a packet as it enters the host.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FlowKey<A> {
    /// Source address.
    pub src: A,
    /// Destination address.
    pub dst: A,
    /// Source port.
    pub src_port: Port,
    /// Destination port.
    pub dst_port: Port,
    /// Transport protocol.
    pub proto: Proto,
    /// Always zero: map keys are compared as bytes.
    pub pad: u8,
    /// The same; of three bytes the compiler would make a call.
    pub pad_high: u16,
}

/// The complete translation of one direction of a flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flow<A> {
    /// Source address after translation.
    pub src: A,
    /// Destination address after translation.
    pub dst: A,
    /// Source port after translation.
    pub src_port: Port,
    /// Destination port after translation.
    pub dst_port: Port,
    /// The backend that serves the flow.
    pub backend: u32,
    /// The backend's generation when the flow began; another one now means a stale flow.
    pub generation: u32,
    /// Interface index of the pod device behind which the receiver sits; 0: ask the routing table.
    pub device: u32,
    /// The service port that the flow was opened through.
    pub service: u32,
    /// Tick in which a packet last looked after the record, see [`TICK_SHIFT`]: that of the last packet, or up to three
    /// ticks before it.
    pub seen: u32,
    /// Tick at which the flow began.
    pub created: u32,
    /// See the constants of [`flags`].
    pub flags: u16,
    /// TCP state; kept on the forward record only, see `datapath::tcp`.
    pub state: u16,
}

/// `CLOCK_MONOTONIC` nanoseconds shifted right by this give a tick: 1.07 s, cheap to compute.
pub const TICK_SHIFT: u32 = 30;

/// Bits of [`Flow::flags`].
pub mod flags {
    /// This record translates replies; without it, the client's packets.
    pub const REPLY: u16 = 1;
    /// The source was replaced (masquerade or hairpin).
    pub const MASQUERADE: u16 = 2;
    /// The client has spoken, was answered, and has spoken again: the record is in `flows4/6`. Without it, it is
    /// in `opening_flows4/6`.
    pub const SETTLED: u16 = 4;
}

wire_struct!(FlowKey<Ip4, Ip6> {
    src: A, dst: A, src_port: Port, dst_port: Port, proto: Proto, pad: u8, pad_high: u16,
});
wire_struct!(Flow<Ip4, Ip6> {
    src: A, dst: A, src_port: Port, dst_port: Port, backend: u32, generation: u32, device: u32,
    service: u32, seen: u32, created: u32, flags: u16, state: u16,
});

impl<A: Address> FlowKey<A> {
    /// The tuple of a packet that travels the other way.
    #[inline(always)]
    pub fn reversed(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            src_port: self.dst_port,
            dst_port: self.src_port,
            ..self
        }
    }
}

impl<A: Address> Flow<A> {
    /// Key of the record for the opposite direction, given the protocol of this one.
    #[inline(always)]
    pub fn opposite(&self, proto: Proto) -> FlowKey<A> {
        FlowKey {
            src: self.dst,
            dst: self.src,
            src_port: self.dst_port,
            dst_port: self.src_port,
            proto,
            pad: 0,
            pad_high: 0,
        }
    }

    /// Whether the record for the opposite direction is found by `key`.
    #[inline(always)]
    pub fn leads_to(&self, key: &FlowKey<A>) -> bool {
        self.src == key.dst
            && self.dst == key.src
            && self.src_port == key.dst_port
            && self.dst_port == key.src_port
    }

    /// Whether the record only keeps its tuple from being used: it leads nowhere. Its tuple belongs to a
    /// connection that the client has with the backend directly.
    #[inline(always)]
    pub fn is_void(&self) -> bool {
        self.dst == A::default()
    }

    /// Whether this record translates replies.
    #[inline(always)]
    pub fn is_reply(&self) -> bool {
        self.flags & flags::REPLY != 0
    }
}
