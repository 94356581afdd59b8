//! Backends: endpoints as the kernel knows them.

use bytemuck::{Pod, Zeroable};

use crate::{
    addr::{Ip4, Ip6, Port},
    wire::wire_struct,
};

/// Index into the `backends4` or `backends6` map; 0 is never a backend.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Pod, Zeroable)]
pub struct BackendId(pub u32);

/// Where a flow can be sent.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Backend<A> {
    /// The endpoint's address.
    pub addr: A,
    /// The endpoint's port (never the Service's, rule 1.3.5).
    pub port: Port,
    /// See the constants of [`flags`].
    pub flags: u16,
    /// Grows whenever the id stops serving or comes to mean something else, so that a flow or an
    /// affinity record made before can tell.
    pub generation: u32,
}

/// Bits of [`Backend::flags`].
pub mod flags {
    /// In use: some table may name it and UDP flows stay with it (rule 5.2.2).
    pub const SERVING: u16 = 1;
    /// The endpoint is on this node.
    pub const LOCAL: u16 = 2;
    /// A slot of its service port's cluster table names it: affinity may hold a client to it there (rule 4.9).
    pub const IN_CLUSTER: u16 = 4;
    /// The same for the table of this node's endpoints.
    pub const IN_LOCAL: u16 = 8;
}

wire_struct!(Backend<Ip4, Ip6> { addr: A, port: Port, flags: u16, generation: u32 });

impl<A> Backend<A> {
    /// Whether the backend still serves flows of the given generation.
    #[inline(always)]
    pub fn serves(&self, generation: u32) -> bool {
        self.flags & flags::SERVING != 0 && self.generation == generation
    }

    /// Whether the backend is on this node.
    #[inline(always)]
    pub fn is_local(&self) -> bool {
        self.flags & flags::LOCAL != 0
    }
}
