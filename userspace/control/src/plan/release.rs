//! A plan for a few service ports, and its end: what they had and have no more goes.

use std::{collections::HashSet, sync::Arc};

use tidegate_abi::{BackendId, FrontendKey, Pool, SourceRangeKey, backend::flags::LOCAL};

use super::{
    Planner, backends,
    draft::Draft,
    image::table,
    known::{Moves, Placed},
    write::Maps,
};
use crate::{
    desired::{DesiredPort, FamilyDelta},
    model::PortKey,
};

/// What a plan changes in a family, and what must be looked at when all is placed.
pub(super) struct Touched<A> {
    /// What service ports had in the maps before.
    old: Vec<(Arc<PortKey>, Placed<A>)>,
    moves: Moves<A>,
    /// Addresses that have no marker any more.
    unmarked: Vec<A>,
}

impl Planner {
    /// Places the service ports that changed, and those that did not fit until now.
    pub(super) fn place_some<A: Maps>(
        &mut self,
        delta: &FamilyDelta<A>,
        draft: &mut Draft,
    ) -> Touched<A> {
        let waiting = self.waiting(delta);
        let mut touched = self.hear(delta);
        for port in waiting.iter().chain(&delta.ports) {
            let (known, _) = A::state(self);
            let old = known.ports.remove(&port.key).and_then(|it| it.placed);
            self.settle(port, old.as_ref(), draft);
            touched
                .old
                .extend(old.map(|old| (Arc::clone(&port.key), old)));
        }
        let (known, _) = A::state(self);
        let mut markers = std::mem::take(&mut known.unmarked);
        for (addr, flags) in &delta.markers {
            markers.remove(addr);
            match flags {
                Some(flags) => drop(markers.insert(*addr, *flags)),
                None => touched.unmarked.push(*addr),
            }
        }
        for (addr, flags) in markers {
            self.mark(addr, flags, draft);
        }
        touched
    }

    /// Takes away what the service ports had and have no more.
    pub(super) fn release<A: Maps>(&mut self, touched: Touched<A>, draft: &mut Draft) {
        let mut removed: Vec<FrontendKey<A>> = Vec::new();
        let mut barred: Vec<SourceRangeKey<A>> = Vec::new();
        let mut retired: Vec<BackendId> = Vec::new();
        for (key, old) in &touched.old {
            let entry = A::known(self).ports.get(key);
            let new = entry.and_then(|it| it.placed.as_ref());
            removed.extend(
                lost(&old.frontends, new.map(|it| &it.frontends[..])).filter(|key| {
                    let held = A::half(&self.image).frontends.get(key);
                    held.is_some_and(|it| it.service == old.service)
                }),
            );
            barred.extend(lost(
                &old.source_ranges,
                new.map(|it| &it.source_ranges[..]),
            ));
            let ids = |placed: &Placed<A>| -> Vec<BackendId> {
                let tables = placed
                    .pools()
                    .flat_map(|pool| table(&self.image.slots, pool));
                tables.flatten().copied().collect()
            };
            let used: HashSet<BackendId> = new.map(ids).into_iter().flatten().collect();
            retired.extend(ids(old).into_iter().filter(|id| !used.contains(id)));
            let pools: Vec<Pool> = new.into_iter().flat_map(Placed::pools).collect();
            for pool in old.pools().filter(|pool| !pools.contains(pool)) {
                self.ranges.release(pool);
            }
        }
        let marked = touched.unmarked.iter();
        removed.extend(marked.map(|addr| FrontendKey::of_address(*addr)));
        self.take_away(removed, barred, draft);
        retired.sort_unstable();
        retired.dedup();
        self.retire::<A>(retired, draft);
        self.move_backends(&touched.moves, draft);
        for (key, _) in touched.old {
            let entry = A::known(self).ports.get(&key);
            if entry.is_none_or(|it| it.placed.is_none()) {
                self.services.forget(&key);
            }
        }
    }

    /// Those that did not fit, but for those that change anyway.
    fn waiting<A: Maps>(&mut self, delta: &FamilyDelta<A>) -> Vec<Arc<DesiredPort<A>>> {
        let changed = delta.ports.iter().map(|port| &*port.key);
        let gone = delta.gone.iter().map(|key| &**key);
        let changed: HashSet<&PortKey> = changed.chain(gone).collect();
        let (known, _) = A::state(self);
        let short = std::mem::take(&mut known.short).into_iter();
        short
            .filter(|key| !changed.contains(&**key))
            .filter_map(|key| Some(Arc::clone(&known.ports.get(&key)?.desired)))
            .collect()
    }

    /// Takes in what service ports know of backends that are here, before any of them is placed.
    fn hear<A: Maps>(&mut self, delta: &FamilyDelta<A>) -> Touched<A> {
        let (known, _) = A::state(self);
        let (mut old, mut moves) = (Vec::new(), Moves::new());
        for key in &delta.gone {
            if let Some(entry) = known.ports.remove(key) {
                known.tell(Some(&entry.desired), None, &mut moves);
                old.extend(entry.placed.map(|placed| (Arc::clone(key), placed)));
            }
        }
        for port in &delta.ports {
            let before = known.ports.get(&port.key);
            let before = before.map(|it| Arc::clone(&it.desired));
            known.tell(before.as_deref(), Some(port), &mut moves);
        }
        Touched {
            old,
            moves,
            unmarked: Vec::new(),
        }
    }

    fn take_away<A: Maps>(
        &mut self,
        mut removed: Vec<FrontendKey<A>>,
        mut barred: Vec<SourceRangeKey<A>>,
        draft: &mut Draft,
    ) {
        let half = A::half_mut(&mut self.image);
        removed.sort_unstable();
        removed.retain(|key| half.frontends.remove(key).is_some());
        draft.remove(removed);
        barred.sort_unstable();
        barred.retain(|key| half.source_ranges.remove(key));
        draft.barred.extend(barred.into_iter().map(A::bar));
    }

    /// What one service port knows to be on this node is so for all of them.
    fn move_backends<A: Maps>(&mut self, moves: &Moves<A>, draft: &mut Draft) {
        let (known, half) = A::state(self);
        for (target, is_here) in known.moved(moves) {
            for id in known.backends.at(target) {
                let place = if is_here { LOCAL } else { 0 };
                let flags = half.backend(id).map_or(0, |it| it.flags & !LOCAL) | place;
                let moved = backends::set_flags(half, id, flags);
                draft
                    .backends
                    .extend(moved.map(|(id, backend)| A::backend(id, backend)));
            }
        }
    }
}

/// What is in the old list only.
fn lost<'a, T: Copy + PartialEq>(
    old: &'a [T],
    new: Option<&'a [T]>,
) -> impl Iterator<Item = T> + 'a {
    let is_kept = move |it: &T| new.is_some_and(|new| new.contains(it));
    old.iter().copied().filter(move |it| !is_kept(it))
}
