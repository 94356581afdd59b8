//! One service port's share of a plan: ids for its backends, tables, frontends.
//!
//! Everything that may not fit is asked for first; only then is something changed.

use std::sync::Arc;

use tidegate_abi::{Address, Frontend, FrontendKey, Proto, backend, frontend};

use super::{
    Planner, backends,
    draft::{Draft, Shortage},
    guard,
    known::{KnownPort, Placed},
    tables::same,
    write::Maps,
};
use crate::desired::{DesiredPort, Target};

impl Planner {
    /// Puts a service port into the maps. One that does not fit stays as it is, if it is there already.
    pub(super) fn settle<A: Maps>(
        &mut self,
        port: &Arc<DesiredPort<A>>,
        old: Option<&Placed<A>>,
        draft: &mut Draft,
    ) {
        let (placed, is_short) = match self.place(port, old, draft) {
            Ok((placed, is_open)) => (Some(placed), !is_open),
            Err(shortage) => {
                let state = if old.is_some() {
                    "its last state stays"
                } else {
                    "it is not programmed"
                };
                draft.no_room(port, shortage, state);
                let mut kept = old.cloned();
                match &mut kept {
                    Some(kept) => self.guard_kept(kept, port, draft),
                    None => self.services.forget(&port.key),
                }
                (kept, true)
            }
        };
        let (known, _) = A::state(self);
        if is_short {
            known.short.push(Arc::clone(&port.key));
        }
        let desired = Arc::clone(port);
        let entry = KnownPort { desired, placed };
        known.ports.insert(Arc::clone(&port.key), entry);
    }

    /// Puts a marker into the map. It is left out when the map is full: unknown ports are then not rejected, and
    /// pings not answered.
    pub(super) fn mark<A: Maps>(&mut self, addr: A, flags: u32, draft: &mut Draft) {
        let key = FrontendKey::of_address(addr);
        let is_there = A::half(&self.image).frontends.contains_key(&key);
        if is_there || self.room_for_frontends::<A>() > 0 {
            let frontend = Frontend {
                flags,
                ..Frontend::default()
            };
            self.set_frontend(key, frontend, draft);
        } else {
            let (known, _) = A::state(self);
            known.unmarked.insert(addr, flags);
        }
    }

    /// What the service port has in the maps then, and whether that is all that it asks for.
    fn place<A: Maps>(
        &mut self,
        port: &DesiredPort<A>,
        old: Option<&Placed<A>>,
        draft: &mut Draft,
    ) -> Result<(Placed<A>, bool), Shortage> {
        let service = self.services.id_or_new(&port.key);
        let missing = self.missing(service, port)?;
        let (cluster, local) = self.tables(service, port, old)?;
        self.set_backends(service, port, &missing, draft);
        self.fill(cluster, service, &port.cluster, draft);
        self.fill(local, service, &port.local, draft);
        let (cluster, local) = (cluster.pool(), local.pool());
        let affinity_seconds = port.affinity_seconds;
        let admitted = self.admit(service, port, draft);
        let is_open = admitted.is_some();
        let may_serve = |flags: u32| is_open || flags & frontend::flags::SOURCE_RANGES == 0;
        let mut frontends = Vec::with_capacity(port.frontends.len());
        for &(key, flags) in port.frontends.iter().filter(|it| may_serve(it.1)) {
            let frontend = Frontend {
                service,
                flags,
                cluster,
                local,
                affinity_seconds,
            };
            self.set_frontend(key, frontend, draft);
            frontends.push(key);
        }
        let placed = Placed {
            service,
            cluster,
            local,
            frontends,
            source_ranges: admitted.unwrap_or_default(),
        };
        Ok((placed, is_open))
    }

    /// The backends that have no id yet, if there is room for them and for the frontends.
    fn missing<A: Maps>(
        &mut self,
        service: u32,
        port: &DesiredPort<A>,
    ) -> Result<Vec<Target<A>>, Shortage> {
        let (known, half) = A::state(self);
        let ids = &known.backends;
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
        draft: &mut Draft,
    ) {
        let (known, half) = A::state(self);
        for target in missing {
            let place = if known.is_here(target) {
                backend::flags::LOCAL
            } else {
                0
            };
            let flags = backend::flags::SERVING | place | membership(port, target);
            let given = known.backends.give(service, target, flags, half);
            draft
                .backends
                .extend(given.map(|(id, backend)| A::backend(id, backend)));
        }
        for target in targets(port) {
            let place = if known.is_here(target) {
                backend::flags::LOCAL
            } else {
                0
            };
            let flags = backend::flags::SERVING | place | membership(port, target);
            let id = known.backends.id(service, target);
            let changed = id.and_then(|id| backends::set_flags(half, id, flags));
            draft
                .backends
                .extend(changed.map(|(id, backend)| A::backend(id, backend)));
        }
    }

    fn set_frontend<A: Maps>(
        &mut self,
        key: FrontendKey<A>,
        frontend: Frontend,
        draft: &mut Draft,
    ) {
        let half = A::half_mut(&mut self.image);
        let old = half.frontends.insert(key, frontend);
        if old == Some(frontend) {
            return;
        }
        let is_moved = old.is_some_and(|old| old.service != frontend.service);
        draft.moved_udp |= is_moved && key.proto == Proto::UDP;
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
