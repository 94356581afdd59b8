//! The first step: a Service's ports, and the numbers that it claims.

use std::{
    collections::{BTreeSet, hash_map},
    net::IpAddr,
};

use super::{
    Compiler, Work,
    entry::{self, Entry, Slot},
};
use crate::{
    model::{self, claims::Draft, claims::Number},
    node::NodeFacts,
    object::{Object, ObjectKey},
    problem::Origin,
    store::{Age, Held, Store},
};

impl Compiler {
    /// Takes in what the node is like now, and which Services that touches.
    pub(super) fn take_node(&mut self, node: &NodeFacts, dirty: &mut BTreeSet<ObjectKey>) {
        if self.node == *node {
            return;
        }
        let old = std::mem::replace(&mut self.node, node.clone());
        let but_pods = NodeFacts {
            local_pod_addresses: node.local_pod_addresses.clone(),
            ..old.clone()
        };
        if but_pods != *node {
            dirty.extend(self.slots.keys().cloned());
            return;
        }
        let (old, new) = (&old.local_pod_addresses, &node.local_pod_addresses);
        for ip in old.symmetric_difference(new) {
            let slots = self.unplaced.get(ip).into_iter().flatten();
            dirty.extend(slots.map(|slot| self.entry(*slot).key.clone()));
        }
    }

    /// Drafts a Service anew.
    pub(super) fn draft(&mut self, store: &Store, key: &ObjectKey, work: &mut Work) {
        let drafted = store.get(key).map(|held| self.drafted(store, held));
        let drafted = drafted.filter(|(draft, ..)| !draft.claims.is_empty());
        let known = self.slots.get(key).copied();
        let slot = match (known, drafted) {
            (None, None) => return,
            (Some(slot), None) => {
                let entry = self.entry_mut(slot);
                entry.is_gone = true;
                let (age, origin) = (entry.age, entry.origin.clone());
                self.replace(slot, Draft::default(), age, origin, work);
                slot
            }
            (known, Some((draft, age, origin))) => {
                let slot = known.unwrap_or_else(|| self.add(key, age, &origin));
                self.replace(slot, draft, age, origin, work);
                slot
            }
        };
        self.note_unplaced(slot);
        work.settle.insert(slot);
    }

    fn drafted(&self, store: &Store, held: &Held) -> (Draft, Age, Origin) {
        let object: &Object = &held.object;
        let slices = self.touch.slices(store, object);
        let draft = model::draft(object, slices, &self.node);
        (draft, held.age(), object.origin.clone())
    }

    fn add(&mut self, key: &ObjectKey, age: Age, origin: &Origin) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            Slot::at(self.entries.len() - 1)
        });
        self.entries[slot.index()] = Some(Entry::new(key.clone(), age, origin.clone()));
        self.slots.insert(key.clone(), slot);
        self.by_age.insert(age, slot);
        slot
    }

    /// Puts a draft in the place of the old one. Who claims what the Service had, or has now, is settled too.
    fn replace(&mut self, slot: Slot, draft: Draft, age: Age, origin: Origin, work: &mut Work) {
        let entry = self.entry_mut(slot);
        let old = entry.numbers();
        entry.draft = draft;
        let new = entry.numbers();
        entry.is_moved = (entry.age, &entry.origin) != (age, &origin);
        if !entry.is_moved && old == new {
            return;
        }
        for number in old {
            self.touch_number(number, slot, work);
            self.numbers.remove(number, slot);
        }
        let entry = self.entry_mut(slot);
        let before = std::mem::replace(&mut entry.age, age);
        entry.origin = origin;
        self.by_age.remove(&before);
        self.by_age.insert(age, slot);
        for number in new {
            let is_older = entry::older(&self.entries, age);
            self.numbers.insert(number, slot, is_older);
            self.touch_number(number, slot, work);
        }
    }

    /// The others who claim a number have it, lose it, or lose it to somebody else, if this Service has it.
    fn touch_number(&self, number: Number, slot: Slot, work: &mut Work) {
        if self.numbers.owner(number) == Some(slot) {
            work.settle.extend(self.numbers.claimants(number));
        }
    }

    /// Notes for which addresses it matters to the Service whether a pod here has them.
    fn note_unplaced(&mut self, slot: Slot) {
        let entry = self.entry_mut(slot);
        let endpoints = entry.draft.ports.iter().flat_map(|port| &port.endpoints);
        let unplaced = endpoints.filter(|it| it.node_name.is_none());
        let mut new: Vec<IpAddr> = unplaced.map(|it| it.ip).collect();
        new.sort_unstable();
        new.dedup();
        if entry.unplaced == new {
            return;
        }
        let old = std::mem::replace(&mut entry.unplaced, new.clone());
        for ip in old {
            if let hash_map::Entry::Occupied(mut slots) = self.unplaced.entry(ip) {
                slots.get_mut().remove(&slot);
                if slots.get().is_empty() {
                    slots.remove();
                }
            }
        }
        for ip in new {
            self.unplaced.entry(ip).or_default().insert(slot);
        }
    }
}
