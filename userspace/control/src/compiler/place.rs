//! The last step: which frontends are a Service's own, and what the maps should hold for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tidegate_abi::{FrontendKey, Ip4, Ip6, frontend::flags::INTERNAL};

use super::{Compiler, Update, entry::Slot, side::Side, tally::Tally};
use crate::{
    desired::{self, Delta, DesiredPort, frontends, markers},
    health,
    model::claims::Owner,
    problem::Problem,
};

impl Compiler {
    /// Computes what the maps should hold for a Service, and what else is told of it.
    pub(super) fn place(&mut self, slot: Slot, update: &mut Update) {
        self.place_family::<Ip4>(slot, &mut update.delta);
        self.place_family::<Ip6>(slot, &mut update.delta);
        self.sum_up(slot, update);
        let entry = self.entry_mut(slot);
        let problems: Vec<Problem> = entry.problems().cloned().collect();
        let has_some = !problems.is_empty();
        if std::mem::replace(&mut entry.has_told, has_some) || has_some {
            update.problems.push((entry.key.clone(), problems));
        }
        update.services.insert(entry.key.clone());
        if entry.is_gone {
            let (key, age) = (entry.key.clone(), entry.age);
            self.slots.remove(&key);
            self.by_age.remove(&age);
            self.entries[slot.index()] = None;
            self.free.push(slot);
        }
    }

    /// Decides whose marker each of these addresses has.
    pub(super) fn mark<A: Side>(&mut self, addrs: &BTreeSet<A>, delta: &mut Delta) {
        for addr in addrs {
            let flags = self.marker(*addr);
            let marked = &mut A::family_mut(self).marked;
            let old = match flags {
                Some(flags) => marked.insert(*addr, flags),
                None => marked.remove(addr),
            };
            if old != flags {
                A::delta(delta).markers.push((*addr, flags));
            }
        }
    }

    /// The oldest clusterIP decides, else the oldest load-balancer address.
    fn marker<A: Side>(&self, addr: A) -> Option<u32> {
        let claimants = A::family(self).markers.claimants(addr).iter();
        let flags = claimants.filter_map(|slot| {
            let markers = &A::half(self.entry(*slot)).markers;
            let place = markers.binary_search_by_key(&addr, |it| it.0).ok()?;
            Some(markers[place].1)
        });
        let mut flags = flags.peekable();
        let first = flags.peek().copied();
        let internal = flags.find(|flags| flags & INTERNAL != 0);
        internal.or(first).filter(|flags| markers::is_told(*flags))
    }

    fn place_family<A: Side>(&mut self, slot: Slot, delta: &mut Delta) {
        let (new, clashes) = self.granted::<A>(slot);
        let half = A::half_mut(self.entry_mut(slot));
        let old = std::mem::take(&mut half.desired);
        let kept = |port: DesiredPort<A>| {
            let same = old.iter().find(|it| ***it == port);
            match same {
                Some(same) => (Arc::clone(same), false),
                None => (Arc::new(port), true),
            }
        };
        let new: Vec<(Arc<DesiredPort<A>>, bool)> = new.into_iter().map(kept).collect();
        let other = new.iter().filter(|(_, is_other)| *is_other);
        let delta = A::delta(delta);
        delta.ports.extend(other.map(|(port, _)| Arc::clone(port)));
        let gone = old
            .iter()
            .filter(|old| new.iter().all(|(new, _)| new.key != old.key));
        delta.gone.extend(gone.map(|port| Arc::clone(&port.key)));
        half.desired = new.into_iter().map(|(port, _)| port).collect();
        half.clashes = clashes;
    }

    /// What the Service's ports get, and what they lose to others.
    fn granted<A: Side>(&self, slot: Slot) -> (Vec<DesiredPort<A>>, Vec<Problem>) {
        let entry = self.entry(slot);
        let owners = &A::family(self).frontends;
        let (mut ports, mut problems) = (Vec::new(), Vec::new());
        // Of two ports of one Service the first one wins.
        let mut taken: BTreeMap<FrontendKey<A>, usize> = BTreeMap::new();
        let all = entry.draft.ports.iter().enumerate();
        for (index, port) in all.filter(|(_, port)| port.key.family == A::FAMILY) {
            let other = |key| {
                let owner = owners.owner(key);
                if owner != Some(slot) {
                    return self.other(owner, slot);
                }
                let first = *taken.entry(key).or_insert(index);
                (first != index).then(|| Owner {
                    key: entry.key.clone(),
                    origin: entry.origin.clone(),
                })
            };
            let claims = frontends::claims(port, &self.node);
            let granted = frontends::grant(port, claims, other, &mut problems);
            ports.push(desired::of_port(port, granted));
        }
        (ports, problems)
    }

    fn sum_up(&mut self, slot: Slot, update: &mut Update) {
        let entry = self.entry(slot);
        let share = Tally::of(&entry.draft.ports, &self.node);
        let checks = health::checks(&entry.draft.ports);
        let key = entry.key.clone();
        if self.checks.get(&key).map_or(&[][..], Vec::as_slice) != checks {
            update.has_other_checks = true;
            if checks.is_empty() {
                self.checks.remove(&key);
            } else {
                self.checks.insert(key, checks);
            }
        }
        let entry = self.entry_mut(slot);
        let old = std::mem::replace(&mut entry.share, share.clone());
        self.tally.replace(&old, &share);
    }
}
