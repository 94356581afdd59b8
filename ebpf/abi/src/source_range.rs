//! Source ranges of load-balancer addresses (rule 3.6): entries of a longest-prefix trie.

use crate::{
    addr::{Address, Ip4, Ip6},
    wire::wire_struct,
};

/// Bits of [`SourceRangeKey::service`], which every prefix includes.
pub const SERVICE_BITS: u32 = 32;

/// A block of client addresses that a service port admits. Any hit admits: the value is 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SourceRangeKey<A> {
    /// [`SERVICE_BITS`] and the block's own prefix length.
    pub prefix_len: u32,
    /// Id of the service port.
    pub service: u32,
    /// First address of the block.
    pub addr: A,
}

wire_struct!(SourceRangeKey<Ip4, Ip6> { prefix_len: u32, service: u32, addr: A });

impl<A: Address> SourceRangeKey<A> {
    /// The key that asks for one client.
    #[inline(always)]
    pub fn of_client(service: u32, addr: A) -> Self {
        Self {
            prefix_len: SERVICE_BITS.wrapping_add(8u32.wrapping_mul(size_of::<A>() as u32)),
            service,
            addr,
        }
    }
}
