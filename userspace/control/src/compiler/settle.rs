//! The second step: which numbers are a Service's own, and which frontends and markers it claims then.

use std::collections::BTreeMap;

use tidegate_abi::{Address, FrontendKey, Ip4, Ip6};

use super::{
    Compiler, Work,
    entry::{self, Entry, Slot},
    side::Side,
};
use crate::{
    desired::{frontends, markers},
    model::{ServicePort, claims::Owner},
    node::NodeFacts,
};

/// What a Service claims in a family.
struct Claimed<A> {
    slot: Slot,
    frontends: Vec<FrontendKey<A>>,
    markers: Vec<(A, u32)>,
}

impl Compiler {
    /// Settles the Services of this step. Old claims go before new ones are noted, for a Service that is older
    /// or younger than before stands in the wrong place until then.
    pub(super) fn settle(&mut self, work: &mut Work) {
        let slots = std::mem::take(&mut work.settle);
        for slot in &slots {
            self.settle_numbers(*slot);
        }
        let (mut new4, mut new6) = (Vec::new(), Vec::new());
        for slot in &slots {
            new4.extend(self.drop_claims::<Ip4>(*slot, work));
            new6.extend(self.drop_claims::<Ip6>(*slot, work));
        }
        for new in new4 {
            self.note_claims(new, work);
        }
        for new in new6 {
            self.note_claims(new, work);
        }
        work.place.extend(slots);
    }

    fn settle_numbers(&mut self, slot: Slot) {
        let entry = self.entry_mut(slot);
        let mut draft = std::mem::take(&mut entry.draft);
        let entry = self.entry(slot);
        let lost = draft.settle((&entry.key, &entry.origin), |number| {
            self.other(self.numbers.owner(number), slot)
        });
        let entry = self.entry_mut(slot);
        (entry.draft, entry.lost) = (draft, lost);
    }

    /// Who has something, if not this Service.
    pub(super) fn other(&self, owner: Option<Slot>, slot: Slot) -> Option<Owner> {
        let owner = owner.filter(|owner| *owner != slot)?;
        let Entry { key, origin, .. } = self.entry(owner);
        Some(Owner {
            key: key.clone(),
            origin: origin.clone(),
        })
    }

    /// Forgets what the Service claimed. `None`: it claims the same.
    fn drop_claims<A: Side>(&mut self, slot: Slot, work: &mut Work) -> Option<Claimed<A>> {
        let entry = self.entry(slot);
        let new = Claimed::of(slot, &entry.draft.ports, &self.node);
        let half = A::half(entry);
        let is_same = half.frontends == new.frontends && half.markers == new.markers;
        if is_same && !entry.is_moved {
            return None;
        }
        let half = A::half_mut(self.entry_mut(slot));
        let frontends = std::mem::take(&mut half.frontends);
        let markers = std::mem::take(&mut half.markers);
        for key in frontends {
            self.touch_frontend(key, slot, work);
            A::family_mut(self).frontends.remove(key, slot);
        }
        for (addr, _) in markers {
            A::family_mut(self).markers.remove(addr, slot);
            A::markers(work).insert(addr);
        }
        Some(new)
    }

    /// Notes what the Service claims now.
    fn note_claims<A: Side>(&mut self, new: Claimed<A>, work: &mut Work) {
        let Claimed {
            slot,
            frontends,
            markers,
        } = new;
        let age = self.entry(slot).age;
        let entries = std::mem::take(&mut self.entries);
        let is_older = entry::older(&entries, age);
        let family = A::family_mut(self);
        for key in &frontends {
            family.frontends.insert(*key, slot, &is_older);
        }
        for (addr, _) in &markers {
            family.markers.insert(*addr, slot, &is_older);
            A::markers(work).insert(*addr);
        }
        drop(is_older);
        self.entries = entries;
        for key in &frontends {
            self.touch_frontend(*key, slot, work);
        }
        let half = A::half_mut(self.entry_mut(slot));
        (half.frontends, half.markers) = (frontends, markers);
    }

    /// The others who claim a frontend have it, lose it, or lose it to somebody else, if this Service has it.
    fn touch_frontend<A: Side>(&self, key: FrontendKey<A>, slot: Slot, work: &mut Work) {
        let frontends = &A::family(self).frontends;
        if frontends.owner(key) == Some(slot) {
            work.place.extend(frontends.claimants(key));
        }
    }
}

impl<A: Address + Ord> Claimed<A> {
    fn of(slot: Slot, ports: &[ServicePort], node: &NodeFacts) -> Self {
        let own = || ports.iter().filter(|port| port.key.family == A::FAMILY);
        let claims = own().flat_map(|port| frontends::claims::<A>(port, node));
        let mut frontends: Vec<_> = claims.map(|claim| claim.key).collect();
        frontends.sort_unstable();
        frontends.dedup();
        let mut all = BTreeMap::new();
        for (addr, flags) in own().filter_map(markers::of_cluster_ip) {
            all.entry(addr).or_insert(flags);
        }
        for (addr, flags) in own().flat_map(|port| markers::of_balancer(port, node)) {
            all.entry(addr).or_insert(flags);
        }
        Self {
            slot,
            frontends,
            markers: all.into_iter().collect(),
        }
    }
}
