//! The end of a plan for everything: what nobody names goes, whoever wrote it.

use std::collections::{HashMap, HashSet};

use tidegate_abi::{BackendId, FrontendKey, Ip4, Ip6, Pool, Proto, SourceRangeKey};

use super::{
    Planner,
    backends::{self, Retired},
    draft::Draft,
    image::table,
    known::Placed,
    write::Maps,
};

impl Planner {
    /// Removes frontends and source ranges, retires backends, lets ranges rest, and forgets service ports
    /// that are gone.
    pub(super) fn sweep(&mut self, markers: &Markers, draft: &mut Draft) {
        self.sweep_family::<Ip4>(markers.v4, draft);
        self.sweep_family::<Ip6>(markers.v6, draft);
        let live: HashSet<Pool> = placed::<Ip4>(self)
            .flat_map(Placed::pools)
            .chain(placed::<Ip6>(self).flat_map(Placed::pools))
            .collect();
        self.ranges.retain(&live);
        let (known4, known6) = (&self.known4, &self.known6);
        self.services.retain(|key| {
            let is_placed4 = known4.ports.get(key).is_some_and(|it| it.placed.is_some());
            is_placed4 || known6.ports.get(key).is_some_and(|it| it.placed.is_some())
        });
    }

    fn sweep_family<A: Maps>(&mut self, markers: &[(A, u32)], draft: &mut Draft) {
        let mut frontends: HashMap<FrontendKey<A>, u32> = HashMap::new();
        let mut ranges: HashSet<SourceRangeKey<A>> = HashSet::new();
        let mut used: HashSet<BackendId> = HashSet::new();
        for placed in placed::<A>(self) {
            // Of two that name one, the map says whose it is.
            let owns = |key: &&FrontendKey<A>| {
                let held = A::half(&self.image).frontends.get(*key);
                held.is_some_and(|it| it.service == placed.service)
            };
            let own = placed.frontends.iter().filter(owns);
            frontends.extend(own.map(|key| (*key, placed.service)));
            ranges.extend(&placed.source_ranges);
            let ids = placed
                .pools()
                .flat_map(|pool| table(&self.image.slots, pool));
            used.extend(ids.flatten());
        }
        let marked = markers
            .iter()
            .map(|(addr, _)| FrontendKey::of_address(*addr));
        frontends.extend(marked.map(|key| (key, 0)));
        let half = A::half_mut(&mut self.image);
        let stray = |key: &FrontendKey<A>, it: &mut tidegate_abi::Frontend| {
            frontends.get(key) != Some(&it.service)
        };
        let mut gone: Vec<_> = half.frontends.extract_if(stray).map(|it| it.0).collect();
        gone.sort_unstable();
        draft.remove(gone);
        let held = &mut half.source_ranges;
        let gone = held.extract_if(.., |key| !ranges.contains(key));
        draft.barred.extend(gone.map(A::bar));
        let unused: Vec<_> = backends::serving(half)
            .filter(|id| !used.contains(id))
            .collect();
        self.retire::<A>(unused, draft);
    }

    /// Retires backends that no table names any more.
    pub(super) fn retire<A: Maps>(&mut self, ids: Vec<BackendId>, draft: &mut Draft) {
        let (known, half) = A::state(self);
        let Retired {
            unlisted,
            retired,
            services,
        } = known.backends.retire(half, ids);
        let name = |service: Option<u32>| self.services.name(service?);
        let may_be_udp = |service| name(service).is_none_or(|it| it.proto == Proto::UDP);
        draft.lost_udp |= services.into_iter().any(may_be_udp);
        let write = |(id, backend)| A::backend(id, backend);
        draft.backends.extend(unlisted.into_iter().map(write));
        draft.retired.extend(retired.into_iter().map(write));
    }
}

/// The markers of both families that are to be there.
pub(super) struct Markers<'a> {
    pub(super) v4: &'a [(Ip4, u32)],
    pub(super) v6: &'a [(Ip6, u32)],
}

fn placed<A: Maps>(planner: &Planner) -> impl Iterator<Item = &Placed<A>> {
    let known: &super::known::Known<A> = <A as Maps>::known(planner);
    known.ports.values().filter_map(|it| it.placed.as_ref())
}
