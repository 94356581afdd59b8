//! Which flows have been idle for so long that their records may go (rules 5.7.10 to 5.7.14).
//!
//! A decision only. The records were read a moment ago, and traffic goes on: whoever deletes must ask
//! again, in the kernel, whether a record is still as idle as it was here ([`Candidate::seen`]), and must
//! take both records of a flow or none.

use std::collections::HashMap;

use tidegate_abi::{Address, Flow, FlowKey, flow::TICK_SHIFT};
use tidegate_datapath::tcp;

use crate::kernel::FlowRecord;

/// Ten seconds, in ticks: a record this young is left alone, since its partner may be being made, and
/// so is one whose time ran out this short a while ago (rule 5.7.10).
const GRACE: u32 = (10_000_000_000_u64 >> TICK_SHIFT) as u32 + 1;

/// A flow that may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Candidate<A> {
    /// The forward record; a reply record's own key where its forward record is gone.
    pub(crate) key: FlowKey<A>,
    /// The reply record that goes with it (rule 5.7.12).
    pub(crate) reply: Option<FlowKey<A>>,
    /// The last tick at which either was used, as read: a later one in the kernel saves the flow
    /// (rule 5.7.14).
    pub(crate) seen: u32,
}

/// The flows of one family that may go at this tick of the data path's own clock (rule 5.7.13).
///
/// `records` is everything that the map held, forward and reply records in any order.
pub(crate) fn candidates<A: Address>(records: &[FlowRecord<A>], now: u32) -> Vec<Candidate<A>> {
    let by_key: HashMap<_, _> = records.iter().map(|(key, flow)| (*key, flow)).collect();
    let flows = records.iter().filter_map(|(key, flow)| {
        let opposite = flow.opposite(key.proto);
        // A record under that key may be another flow's by now; each is led to by its own only.
        let partner = by_key.get(&opposite).filter(|other| other.leads_to(key));
        let partner = partner.filter(|other| other.is_reply() != flow.is_reply());
        if flow.is_reply() && partner.is_some() {
            return None; // Its forward record speaks for both.
        }
        let newest = |of: fn(&Flow<A>) -> u32| {
            let own = of(flow);
            partner.map_or(own, |other| own.max(of(other)))
        };
        let (seen, created) = (newest(|it| it.seen), newest(|it| it.created));
        let timeout = tcp::idle_ticks(flow.state).saturating_add(GRACE);
        let is_idle = now.saturating_sub(seen) > timeout && now.saturating_sub(created) > GRACE;
        is_idle.then_some(Candidate {
            key: *key,
            reply: partner.map(|_| opposite),
            seen,
        })
    });
    flows.collect()
}

#[cfg(test)]
mod tests;
