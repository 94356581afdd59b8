//! One service port's share of a plan: ids for its backends, tables, frontends.
//!
//! Everything that may not fit is asked for first; only then is something changed.

use std::{collections::HashSet, sync::Arc};

use tidegate_abi::{Frontend, FrontendKey, Port, frontend::flags};

use super::{
    Placed, Planner, backends,
    draft::{Draft, Shortage},
    tables::same,
    write::Maps,
};
use crate::desired::{Desired, DesiredPort, Target};

/// Backends that some service port knows to be on this node.
type Here<A> = HashSet<(A, Port)>;

impl Planner {
    /// Places all service ports of a family; returns the frontends that are to be there.
    pub(super) fn place_all<A: Maps>(
        &mut self,
        desired: &Desired,
        draft: &mut Draft,
    ) -> HashSet<FrontendKey<A>> {
        let family = A::desired(desired);
        let targets = family.ports.iter().flat_map(targets);
        let here: Here<A> = targets
            .filter(|target| target.local)
            .map(|it| (it.addr, it.port))
            .collect();
        let mut wanted = HashSet::new();
        for port in &family.ports {
            if let Err(shortage) = self.place(port, &here, &mut wanted, draft) {
                draft.keep(port, self.placed.get(&port.key).copied(), shortage);
            }
        }
        for &addr in &family.cluster_ips {
            let marker = flags::INTERNAL | flags::ADDRESS_ONLY;
            let frontend = Frontend {
                flags: marker,
                ..Frontend::default()
            };
            let key = FrontendKey::of_address(addr);
            let known = A::half(&self.image).frontends.contains_key(&key);
            // Left out when the map is full: packets to an unknown port are then not rejected.
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
        wanted: &mut HashSet<FrontendKey<A>>,
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
        for &(key, flags) in &port.frontends {
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

    /// Gives ids to new backends, and tells known ones whether they are on this node.
    fn set_backends<A: Maps>(
        &mut self,
        service: u32,
        port: &DesiredPort<A>,
        missing: &[Target<A>],
        here: &Here<A>,
        draft: &mut Draft,
    ) {
        let (ids, half) = A::state(self);
        let is_here = |target: &Target<A>| here.contains(&(target.addr, target.port));
        for target in missing {
            let target = Target {
                local: is_here(target),
                ..*target
            };
            let given = ids.give(service, &target, half);
            draft
                .backends
                .extend(given.map(|(id, backend)| A::backend(id, backend)));
        }
        for target in targets(port) {
            let id = ids.id(service, target);
            let moved = id.and_then(|id| backends::relocate(half, id, is_here(target)));
            draft
                .backends
                .extend(moved.map(|(id, backend)| A::backend(id, backend)));
        }
    }

    fn set_frontend<A: Maps>(
        &mut self,
        key: FrontendKey<A>,
        frontend: Frontend,
        wanted: &mut HashSet<FrontendKey<A>>,
        draft: &mut Draft,
    ) {
        let half = A::half_mut(&mut self.image);
        if wanted.insert(key) && half.frontends.insert(key, frontend) != Some(frontend) {
            draft.frontends.push(A::frontend(key, frontend));
        }
    }

    /// New frontends are set before old ones are removed, so all must fit at once.
    fn room_for_frontends<A: Maps>(&self) -> usize {
        let limit = self.limits.frontends as usize;
        limit.saturating_sub(A::half(&self.image).frontends.len())
    }
}

fn targets<A>(port: &DesiredPort<A>) -> impl Iterator<Item = &Target<A>> {
    port.cluster.iter().chain(&port.local)
}
