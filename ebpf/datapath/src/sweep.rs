//! Old flow records: which may go, and how a flow goes, both halves together (rules 5.7.10 to 5.7.14).
//!
//! Not part of a packet's journey. User space walks the maps and asks [`is_due`] of what it reads; the
//! kernel asks again, record by record, right before it removes a pair, so that a flow that was used
//! meanwhile lives on. What slips between those two steps, the forward record repairs (see [`crate::known`]),
//! or the next packet opens anew.

use tidegate_abi::{Address, Flow, FlowKey};

use crate::{Tables, known};

/// Ticks (1.07 s) for which a record is left alone beyond its time, and after it was made: its other half may
/// be being made.
pub const GRACE: u32 = 10;

/// Whether a record has been idle for too long, by a margin.
#[inline(always)]
pub fn is_due<A>(flow: &Flow<A>, now: u32) -> bool {
    let later = now.saturating_sub(GRACE);
    known::is_idle(flow, later) && later > flow.created
}

/// Removes the flow that a record belongs to, if both of its halves are due; `false`: it stays.
#[inline(always)]
pub fn remove<A: Address, T: Tables<A>>(tables: &T, key: &FlowKey<A>, now: u32) -> bool {
    let Some(flow) = tables.flow(key) else {
        return false;
    };
    if !is_due(&flow, now) {
        return false;
    }
    let opposite = flow.opposite(key.proto);
    match tables.flow(&opposite) {
        // By now it may be another flow's, and none of our business.
        Some(other) if other.leads_to(key) => {
            if !is_due(&other, now) {
                return false;
            }
            tables.remove_flow(&opposite);
        }
        _ => {}
    }
    tables.remove_flow(key);
    true
}
