//! Source ranges: who may open flows to the frontends that are guarded (rule 3.6).
//!
//! Who may come in is written first. Then frontends move that need the old ranges no more, then those
//! ranges are deleted, then the other frontends move. So a client that may come in before and after the
//! plan may always, and one that may not never. (But for a frontend that moves from one Service to another
//! while that one's ranges shrink: until they have, the Service's old clients are let in there too.) A
//! guarded frontend whose ranges do not fit is not served at all: a firewall must not be an open door.

use tidegate_abi::{Frontend, SourceRangeKey, frontend::flags::SOURCE_RANGES};

use super::{
    Planner,
    draft::{Draft, Shortage},
    known::Placed,
    write::Maps,
};
use crate::desired::DesiredPort;

impl Planner {
    /// Writes the service port's ranges and returns them. `None` if they do not fit: then no guarded frontend
    /// may be served.
    pub(super) fn admit<A: Maps>(
        &mut self,
        service: u32,
        port: &DesiredPort<A>,
        draft: &mut Draft,
    ) -> Option<Vec<SourceRangeKey<A>>> {
        let limit = self.limits.source_ranges as usize;
        let held = &mut A::half_mut(&mut self.image).source_ranges;
        let keys = || port.source_ranges.iter().map(|block| block.key(service));
        let new = keys().filter(|key| !held.contains(key)).count();
        if new > limit.saturating_sub(held.len()) {
            let state = "its guarded addresses are not served";
            draft.no_room(port, Shortage::SourceRanges, state);
            return None;
        }
        let added = keys().filter(|key| held.insert(*key));
        draft.admitted.extend(added.map(A::admit));
        Some(keys().collect())
    }

    /// A service port that keeps its last state has the new ranges all the same. A guard that it does not
    /// want any more goes with the rest of that state, when there is room again.
    pub(super) fn guard_kept<A: Maps>(
        &mut self,
        kept: &mut Placed<A>,
        port: &DesiredPort<A>,
        draft: &mut Draft,
    ) {
        if port.source_ranges.is_empty() {
            return;
        }
        let admitted = self.admit(kept.service, port, draft);
        let is_open = admitted.is_some();
        kept.source_ranges = admitted.unwrap_or_default();
        let frontends = &mut A::half_mut(&mut self.image).frontends;
        kept.frontends.retain(|key| {
            let frontend = frontends.get_mut(key);
            let Some(frontend) = frontend.filter(|it| it.service == kept.service) else {
                return false;
            };
            let wants_guard =
                |(other, flags): &(_, u32)| other == key && flags & SOURCE_RANGES != 0;
            let was_guarded = frontend.has(SOURCE_RANGES);
            if !was_guarded && !port.frontends.iter().any(wants_guard) {
                return true;
            }
            if is_open && !was_guarded {
                frontend.flags |= SOURCE_RANGES;
                draft.frontends.push(A::frontend(*key, *frontend));
            }
            is_open
        });
    }
}

/// Whether a frontend does not ask for the ranges any more that it asked for until now.
pub(super) fn leaves(old: &Frontend, new: &Frontend) -> bool {
    old.has(SOURCE_RANGES) && (!new.has(SOURCE_RANGES) || old.service != new.service)
}
