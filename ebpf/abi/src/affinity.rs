//! Session affinity: which backend a client had last (semantics, section 4).

use crate::{
    addr::{Ip4, Ip6},
    wire::wire_struct,
};

/// A client of a service port. All frontends of the port share the record (rules 4.2 to 4.5).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct AffinityKey<A> {
    /// Id of the service port.
    pub service: u32,
    /// The client's address before any masquerade; for processes of the host the node's own.
    pub client: A,
}

/// The backend that the client had last.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Affinity {
    /// `CLOCK_MONOTONIC` nanoseconds at which the client's last flow began (rule 4.7).
    pub opened_ns: u64,
    /// The backend.
    pub backend: u32,
    /// Its generation then; another one now means that it went away meanwhile (rule 4.12).
    pub generation: u32,
}

wire_struct!(AffinityKey<Ip4, Ip6> { service: u32, client: A });
