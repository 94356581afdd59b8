//! What the agent asks the kernel's surroundings, as a packet would: the routing table and the sockets.
//!
//! The question is a frame that never was on a wire: an Ethernet header, whose type says the family, a
//! [`crate::FlowKey`], and the packet's length as a word. The answer is written over it, behind the header.

use bytemuck::{Pod, Zeroable};

/// The answer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Told {
    /// One of [`route`].
    pub route: u32,
    /// Interface index of the way out.
    pub device: u32,
    /// For [`route::TOO_BIG`]: what the link carries.
    pub mtu: u32,
    /// 1: a socket of this host would answer packets with this tuple.
    pub is_answered: u32,
    /// Destination and source Ethernet address, for [`route::KNOWN`].
    pub macs: [u8; 12],
}

/// Values of [`Told::route`].
pub mod route {
    /// None that leads out of this host.
    pub const NONE: u32 = 0;
    /// Out of a device, to a neighbour that is known.
    pub const KNOWN: u32 = 1;
    /// Out of a device; the neighbour must be asked for first.
    pub const SILENT: u32 = 2;
    /// There is a way, but the packet does not fit it.
    pub const TOO_BIG: u32 = 3;
    /// The routing table says that there is no way.
    pub const UNREACHABLE: u32 = 4;
}
