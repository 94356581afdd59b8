//! One service port's share of a plan: ids for its backends, tables, frontends.
//!
//! Everything that may not fit is asked for first; only then is something changed.

use std::{collections::HashSet, sync::Arc};

use tidegate_abi::{Address, Frontend, FrontendKey, Port, SourceRangeKey, backend, frontend};

use super::{
    Placed, Planner, backends,
    draft::{Draft, Shortage},
    guard,
    tables::same,
    write::Maps,
};
use crate::desired::{Desired, DesiredPort, Target};

/// Backends that some service port knows to be on this node.
type Here<A> = HashSet<(A, Port)>;

/// What is to be in the maps of a family, but for what service ports keep that did not fit.
pub(super) struct Wanted<A: Address> {
    pub(super) frontends: HashSet<FrontendKey<A>>,
    pub(super) source_ranges: HashSet<SourceRangeKey<A>>,
    /// Frontends that go even if their service port keeps its last state.
    pub(super) closed: HashSet<FrontendKey<A>>,
}

impl Planner {
    /// Places all service ports of a family; returns what is to be there.
    pub(super) fn place_all<A: Maps>(&mut self, desired: &Desired, draft: &mut Draft) -> Wanted<A> {
        let family = A::desired(desired);
        let targets = family.ports.iter().flat_map(targets);
        let here: Here<A> = targets
            .filter(|target| target.local)
            .map(|it| (it.addr, it.port))
            .collect();
        let mut wanted = Wanted::default();
        for port in &family.ports {
            if let Err(shortage) = self.place(port, &here, &mut wanted, draft) {
                let old = self.placed.get(&port.key).copied();
                draft.keep(port, old, shortage);
                if let Some(old) = old {
                    self.guard_kept(old.service, port, &mut wanted, draft);
                }
            }
        }
        for &(addr, flags) in &family.markers {
            let frontend = Frontend {
                flags,
                ..Frontend::default()
            };
            let key = FrontendKey::of_address(addr);
            let known = A::half(&self.image).frontends.contains_key(&key);
            // Left out when the map is full: unknown ports are then not rejected, pings not answered.
            if known || self.room_for_frontends::<A>() > 0 {
                self.set_frontend(key, frontend, &mut wanted, draft);
            }
        }
        wanted
    }

    fn place<A: Maps>(
        &mut self,
        port: &DesiredPort<A>,
        here: &Here<A>,
        wanted: &mut Wanted<A>,
        draft: &mut Draft,
    ) -> Result<(), Shortage> {
        let service = self.services.id_or_new(&port.key);
        let missing = self.missing(service, port)?;
        let (cluster, local) = self.tables(service, port)?;
        self.set_backends(service, port, &missing, here, draft);
        self.fill(cluster, service, &port.cluster, draft);
        self.fill(local, service, &port.local, draft);
        let (cluster, local) = (cluster.pool(), local.pool());
        draft.placed.insert(
            Arc::clone(&port.key),
            Placed {
                service,
                cluster,
                local,
            },
        );
        let affinity_seconds = port.affinity_seconds;
        let is_open = self.admit(service, port, wanted, draft);
        let may_serve = |flags: u32| is_open || flags & frontend::flags::SOURCE_RANGES == 0;
        for &(key, flags) in port.frontends.iter().filter(|it| may_serve(it.1)) {
            let frontend = Frontend {
                service,
                flags,
                cluster,
                local,
                affinity_seconds,
            };
            self.set_frontend(key, frontend, wanted, draft);
        }
        Ok(())
    }

    /// The backends that have no id yet, if there is room for them and for the frontends.
    fn missing<A: Maps>(
        &mut self,
        service: u32,
        port: &DesiredPort<A>,
    ) -> Result<Vec<Target<A>>, Shortage> {
        let (ids, half) = A::state(self);
        let unknown = targets(port).filter(|target| ids.id(service, target).is_none());
        let mut missing: Vec<_> = unknown.copied().collect();
        missing.sort_unstable();
        missing.dedup_by(|one, other| same(one, other));
        if missing.len() > ids.room() {
            return Err(Shortage::Backends);
        }
        let new = port
            .frontends
            .iter()
            .filter(|(key, _)| !half.frontends.contains_key(key));
        if new.count() > self.room_for_frontends::<A>() {
            return Err(Shortage::Frontends);
        }
        Ok(missing)
    }

    /// Gives ids to new backends, and tells known ones where they are and which tables they are in.
    fn set_backends<A: Maps>(
        &mut self,
        service: u32,
        port: &DesiredPort<A>,
        missing: &[Target<A>],
        here: &Here<A>,
        draft: &mut Draft,
    ) {
        let (ids, half) = A::state(self);
        let flags = |target: &Target<A>| {
            let place = if here.contains(&(target.addr, target.port)) {
                backend::flags::LOCAL
            } else {
                0
            };
            backend::flags::SERVING | place | membership(port, target)
        };
        for target in missing {
            let given = ids.give(service, target, flags(target), half);
            draft
                .backends
                .extend(given.map(|(id, backend)| A::backend(id, backend)));
        }
        for target in targets(port) {
            let id = ids.id(service, target);
            let changed = id.and_then(|id| backends::set_flags(half, id, flags(target)));
            draft
                .backends
                .extend(changed.map(|(id, backend)| A::backend(id, backend)));
        }
    }

    fn set_frontend<A: Maps>(
        &mut self,
        key: FrontendKey<A>,
        frontend: Frontend,
        wanted: &mut Wanted<A>,
        draft: &mut Draft,
    ) {
        let half = A::half_mut(&mut self.image);
        if !wanted.frontends.insert(key) {
            return;
        }
        let old = half.frontends.insert(key, frontend);
        if old == Some(frontend) {
            return;
        }
        let write = A::frontend(key, frontend);
        if old.is_some_and(|old| guard::leaves(&old, &frontend)) {
            draft.unguarded.push(write);
        } else {
            draft.frontends.push(write);
        }
    }

    /// New frontends are set before old ones are removed, so all must fit at once.
    fn room_for_frontends<A: Maps>(&self) -> usize {
        let limit = self.limits.frontends as usize;
        limit.saturating_sub(A::half(&self.image).frontends.len())
    }
}

impl<A: Address> Default for Wanted<A> {
    fn default() -> Self {
        Self {
            frontends: HashSet::new(),
            source_ranges: HashSet::new(),
            closed: HashSet::new(),
        }
    }
}

/// Which tables of the service port name the backend (rule 4.9).
fn membership<A: Address>(port: &DesiredPort<A>, target: &Target<A>) -> u16 {
    let tables = [
        (&port.cluster, backend::flags::IN_CLUSTER),
        (&port.local, backend::flags::IN_LOCAL),
    ];
    let of = |it: &Target<A>| (it.addr, it.port);
    let named = tables
        .into_iter()
        .filter(|(list, _)| list.binary_search_by_key(&of(target), of).is_ok());
    named.fold(0, |all, (_, flag)| all | flag)
}

fn targets<A>(port: &DesiredPort<A>) -> impl Iterator<Item = &Target<A>> {
    port.cluster.iter().chain(&port.local)
}
