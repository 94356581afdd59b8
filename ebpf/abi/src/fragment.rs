//! Fragments: only the first one carries ports, so they are kept for the others (rule 5.6.2).

use crate::{
    addr::{Ip4, Ip6, Port, Proto},
    wire::wire_struct,
};

/// What all fragments of a datagram have in common (RFC 791, RFC 8200 section 4.5).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct FragmentKey<A> {
    /// Source address.
    pub src: A,
    /// Destination address.
    pub dst: A,
    /// Identification, as its bytes stand in the header; 16 bits in IPv4.
    pub id: u32,
    /// Transport protocol; 0 in IPv6, whose later fragments need not say it.
    pub proto: Proto,
    /// Always zero: map keys are compared as bytes.
    pub pad: u8,
    /// The same; of three bytes the compiler would make a call.
    pub pad_high: u16,
}

/// What is known of a datagram of which fragments have been seen.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Fragment {
    /// Source port, once the first fragment was seen.
    pub src_port: Port,
    /// Destination port, likewise.
    pub dst_port: Port,
    /// Names the held fragments of this datagram.
    pub datagram: u32,
    /// Tick of the last fragment.
    pub seen: u32,
    /// How many fragments are held until the first one comes.
    pub held: u16,
    /// What became of the first fragment, see [`fate`].
    pub fate: u8,
    /// The transport protocol that the first fragment named.
    pub proto: Proto,
}

/// Values of [`Fragment::fate`].
pub mod fate {
    /// The first fragment has not been seen.
    pub const UNKNOWN: u8 = 0;
    /// It goes the way of its ports.
    pub const TRANSLATED: u8 = 1;
    /// It was none of ours.
    pub const PASSED: u8 = 2;
    /// It was dropped, or its sender was told that nobody serves.
    pub const REFUSED: u8 = 3;
}

/// One fragment that came before the first one of its datagram (rule 5.6.3).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct HeldKey {
    /// [`Fragment::datagram`].
    pub datagram: u32,
    /// Counts from 0.
    pub index: u32,
}

/// Its frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Held {
    /// Bytes of `frame` that are valid.
    pub len: u32,
    /// The frame from its Ethernet header on.
    pub frame: [u8; FRAME],
}

/// Longest frame that is held: an Ethernet link's of 1500 bytes, tags included, with room to spare.
pub const FRAME: usize = 2048;
/// Fragments of one datagram that are held at most: 64 KiB at IPv6's least MTU is 53.
pub const HELD_MAX: u32 = 64;
/// Ticks (1.07 s) after which a datagram is given up (`ipfrag_time` is 30 s, rule 5.6.4).
pub const IDLE_TICKS: u32 = 30;

wire_struct!(FragmentKey<Ip4, Ip6> { src: A, dst: A, id: u32, proto: Proto, pad: u8, pad_high: u16 });
