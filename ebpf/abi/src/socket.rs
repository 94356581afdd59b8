//! Sockets of host processes that were translated at connect or send time.

use crate::{
    addr::{Ip4, Ip6, Port, Proto},
    wire::wire_struct,
};

/// A socket and the peer that it really talks to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SocketKey<A> {
    /// The kernel's 64-bit socket cookie as two words: a `u64` would leave IPv6 with padding.
    pub cookie: [u32; 2],
    /// The backend's address.
    pub addr: A,
    /// The backend's port.
    pub port: Port,
    /// Transport protocol.
    pub proto: Proto,
    /// Always zero.
    pub pad: u8,
}

/// The peer that the application believes to talk to: the frontend.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SocketPeer<A> {
    /// The dialled address.
    pub addr: A,
    /// The dialled port.
    pub port: Port,
    /// Always zero.
    pub pad: u16,
    /// The backend behind it.
    pub backend: u32,
    /// The backend's generation at that time.
    pub generation: u32,
}

wire_struct!(SocketKey<Ip4, Ip6> { cookie: [u32; 2], addr: A, port: Port, proto: Proto, pad: u8 });
wire_struct!(SocketPeer<Ip4, Ip6> { addr: A, port: Port, pad: u16, backend: u32, generation: u32 });
