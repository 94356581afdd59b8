//! The end of a plan: what nobody names any more goes.

use std::collections::HashSet;

use tidegate_abi::{Address, BackendId, Ip4, Ip6, Pool, Proto};

use super::{Planner, backends::Retired, draft::Draft, image::table, place::Wanted, write::Maps};

impl Planner {
    /// Removes the frontends that are not wanted, but not those of service ports that did not fit.
    pub(super) fn remove_frontends<A: Maps>(&mut self, wanted: &Wanted<A>, draft: &mut Draft) {
        let half = A::half_mut(&mut self.image);
        let gone = half.frontends.extract_if(|key, frontend| {
            let is_kept = draft.kept.contains(&frontend.service) && !wanted.closed.contains(key);
            !wanted.frontends.contains(key) && !is_kept
        });
        let mut gone: Vec<_> = gone.map(|(key, _)| key).collect();
        gone.sort_unstable();
        draft.removed.extend(gone.into_iter().map(A::remove));
    }

    /// Retires backends, lets ranges rest, and forgets service ports that are gone.
    pub(super) fn finish(&mut self, draft: &mut Draft) {
        self.placed = std::mem::take(&mut draft.placed);
        self.retire::<Ip4>(draft);
        self.retire::<Ip6>(draft);
        let pools = self
            .placed
            .values()
            .flat_map(|placed| [placed.cluster, placed.local]);
        let live: HashSet<Pool> = pools.collect();
        self.ranges.retain(&live);
        let placed = &self.placed;
        self.services.retain(|key| placed.contains_key(key));
    }

    fn retire<A: Maps>(&mut self, draft: &mut Draft) {
        let mut used = HashSet::new();
        for (key, placed) in &self.placed {
            if key.family == <A as Address>::FAMILY {
                for pool in [placed.cluster, placed.local] {
                    used.extend(
                        table(&self.image.slots, pool)
                            .into_iter()
                            .flatten()
                            .copied(),
                    );
                }
            }
        }
        let (ids, half) = A::state(self);
        let Retired {
            unlisted,
            retired,
            services,
        } = ids.retire(half, |id: BackendId| used.contains(&id));
        let name = |service: Option<u32>| self.services.name(service?);
        let may_be_udp = |service| name(service).is_none_or(|it| it.proto == Proto::UDP);
        draft.lost_udp |= services.into_iter().any(may_be_udp);
        let write = |(id, backend)| A::backend(id, backend);
        draft.backends.extend(unlisted.into_iter().map(write));
        draft.retired.extend(retired.into_iter().map(write));
    }
}
