//! The large values of a journey that leaves the beaten track.
//!
//! A packet of a known flow gets by with registers and a little stack. New flows, answers and repairs
//! need more than the 512 bytes that the kernel allows all callers together, so they work in memory
//! that [`crate::Tables`] lends.

use tidegate_abi::{Flow, FlowKey, Frontend, Port};

use crate::{
    parse::{Header, Headers, Quote},
    select::Choice,
    verdict::Stop,
};

/// What such a journey works on; every field is written before it is read.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Work<A> {
    /// The IP header of a rare packet.
    pub ip: Header<A>,
    /// The packet that an ICMP error quotes.
    pub quote: Quote<A>,
    /// What the packet is.
    pub headers: Headers<A>,
    /// The frontend that a new flow dialled.
    pub frontend: Frontend,
    /// 1 for a flow of no Service, see [`crate::journey`]: its own port is in use.
    pub is_crossed: u32,
    /// The backend that it got.
    pub choice: Choice<A>,
    /// Why there is none, when a rare packet found none.
    pub stop: Stop,
    /// A port whose flow is over, for the case that there is no other.
    pub over: Port,
    /// 1 when the record was made for this very packet.
    pub is_new: u32,
    /// The record that translates it.
    pub flow: Flow<A>,
    /// The record of the other direction.
    pub reply: Flow<A>,
    /// That record's key.
    pub reply_key: FlowKey<A>,
}
