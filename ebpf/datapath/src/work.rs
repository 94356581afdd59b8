//! The large values of a journey that leaves the beaten track.
//!
//! A packet of a known flow gets by with registers and a little stack. New flows, answers and repairs
//! need more than the 512 bytes that the kernel allows all callers together, so they work in memory
//! that [`crate::Tables`] lends.

use tidegate_abi::{Flow, FlowKey};

use crate::parse::Headers;

/// What such a journey works on; every field is written before it is read.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Work<A> {
    /// What the packet is.
    pub headers: Headers<A>,
    /// The record that translates it.
    pub flow: Flow<A>,
    /// The record of the other direction.
    pub reply: Flow<A>,
    /// That record's key.
    pub reply_key: FlowKey<A>,
}
