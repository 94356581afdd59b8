//! The same as [`crate::compile`], at the cost of what changed.
//!
//! What a Service means is remembered by Service. A change says which Services it touches ([`touch`]); those
//! are compiled anew, each for itself, and then the few others with which they share something that only one
//! can have: a clusterIP or nodePort ([`crate::model::claims`]), a frontend, or the marker of an address. For
//! each such thing it is known who claims it, oldest first ([`owners`]).
//!
//! Three steps, each for all Services that need it before the next one begins:
//!
//! 1. **draft**: a Service's ports, with all numbers that it claims ([`draft`]);
//! 2. **settle**: the numbers that are its own ([`settle`]); then it is known which frontends it claims;
//! 3. **place**: the frontends that are its own, and what the maps should hold for it ([`place`]).
//!
//! Nothing here decides anything: each rule is in the functions that `compile` calls too. That both agree after
//! every change is what the random tests show.

mod draft;
mod entry;
mod owners;
mod place;
mod pods;
mod settle;
mod side;
mod tally;
mod touch;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod testing;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use tidegate_abi::{Ip4, Ip6};

use crate::{
    desired::{Delta, Desired, DesiredFamily},
    health::HealthCheck,
    model::{PortKey, ServicePort, claims::Number},
    node::NodeFacts,
    object::{Kind, ObjectKey},
    problem::Problem,
    store::{Age, Store},
};
use entry::{Entry, Slot};
use owners::Owners;
use side::{Family, Side};
pub use tally::{NoLocal, Tally};
use touch::Touch;

/// What is known of all Services.
#[derive(Debug, Default)]
pub struct Compiler {
    node: NodeFacts,
    touch: Touch,
    slots: HashMap<ObjectKey, Slot>,
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    by_age: BTreeMap<Age, Slot>,
    numbers: Owners<Number>,
    v4: Family<Ip4>,
    v6: Family<Ip6>,
    /// Services with endpoints of which no slice says where they are, by address.
    unplaced: HashMap<IpAddr, BTreeSet<Slot>>,
    checks: BTreeMap<ObjectKey, Vec<HealthCheck>>,
    tally: Tally,
    /// Where the next [`Self::doubted`] goes on.
    doubt: Slot,
}

/// What a change changes.
#[derive(Debug, Default)]
pub struct Update {
    /// What the maps should hold.
    pub delta: Delta,
    /// The Services that were looked at, whether they are still there or not.
    pub services: BTreeSet<ObjectKey>,
    /// What these Services lose to others now; an empty list: nothing any more.
    pub problems: Vec<(ObjectKey, Vec<Problem>)>,
    /// The health-check ports are other than before.
    pub has_other_checks: bool,
}

/// Services that are to go through the next step.
#[derive(Debug, Default)]
struct Work {
    settle: BTreeSet<Slot>,
    place: BTreeSet<Slot>,
    markers4: BTreeSet<Ip4>,
    markers6: BTreeSet<Ip6>,
}

impl Compiler {
    /// Takes in that these objects are other than before, and what the node is like. Whatever was in the store
    /// before the first call must be among them.
    pub fn update(
        &mut self,
        store: &Store,
        changed: &BTreeSet<ObjectKey>,
        node: &NodeFacts,
    ) -> Update {
        let mut dirty = self.touch.touched(store, changed);
        self.take_node(node, &mut dirty);
        self.compile(store, dirty)
    }

    /// Compiles a few Services anew of which nobody said that they changed, other ones each time. Nothing should
    /// come of it; what does is a change that was missed.
    pub fn doubted(&mut self, store: &Store, most: usize) -> Update {
        let len = self.entries.len();
        let first = self.doubt.index();
        let looked_at = (0..len.min(most)).map(|step| (first + step) % len);
        let entries = looked_at.filter_map(|index| self.entries[index].as_ref());
        let dirty = entries.map(|entry| entry.key.clone()).collect();
        self.doubt = Slot::at(if len == 0 { 0 } else { (first + most) % len });
        self.compile(store, dirty)
    }

    fn compile(&mut self, store: &Store, dirty: BTreeSet<ObjectKey>) -> Update {
        let (mut work, mut update) = (Work::default(), Update::default());
        for key in &dirty {
            self.draft(store, key, &mut work);
        }
        self.settle(&mut work);
        let place = std::mem::take(&mut work.place).into_iter();
        let mut place: Vec<(Age, Slot)> = place.map(|slot| (self.entry(slot).age, slot)).collect();
        place.sort_unstable();
        for (_, slot) in place {
            self.place(slot, &mut update);
        }
        self.mark(&work.markers4, &mut update.delta);
        self.mark(&work.markers6, &mut update.delta);
        update.services.extend(dirty);
        update
    }

    /// The service ports that are programmed, oldest Service first.
    pub fn ports(&self) -> impl Iterator<Item = &ServicePort> {
        let entries = self.by_age.values().map(|slot| self.entry(*slot));
        entries.flat_map(|entry| &entry.draft.ports)
    }

    /// The service ports of a Service.
    pub fn ports_of(&self, namespace: &str, name: &str) -> &[ServicePort] {
        let key = ObjectKey::of(Kind::Service, namespace, name);
        self.ports_at(&key)
    }

    /// The same, by the Service's key.
    pub fn ports_at(&self, service: &ObjectKey) -> &[ServicePort] {
        let slot = self.slots.get(service);
        slot.map_or(&[], |slot| &self.entry(*slot).draft.ports)
    }

    /// The service port with this key.
    pub fn port(&self, key: &PortKey) -> Option<&ServicePort> {
        let mut ports = self.ports_of(&key.namespace, &key.service).iter();
        ports.find(|port| *port.key == *key)
    }

    /// What the maps should hold.
    pub fn desired(&self) -> Desired {
        Desired {
            v4: self.desired_family(),
            v6: self.desired_family(),
        }
    }

    /// What Services lose to others.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.entries.iter().flatten().flat_map(Entry::problems)
    }

    /// The health-check ports that this node opens.
    pub fn checks(&self) -> impl Iterator<Item = &HealthCheck> {
        self.checks.values().flatten()
    }

    /// Sums over all Services.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn desired_family<A: Side>(&self) -> DesiredFamily<A> {
        let entries = self.by_age.values().map(|slot| self.entry(*slot));
        let ports = entries.flat_map(|entry| &A::half(entry).desired);
        let markers = A::family(self).marked.iter();
        DesiredFamily {
            ports: ports.map(Arc::clone).collect(),
            markers: markers.map(|(addr, flags)| (*addr, *flags)).collect(),
        }
    }

    fn entry(&self, slot: Slot) -> &Entry {
        match self.entries.get(slot.index()) {
            Some(Some(entry)) => entry,
            // A slot is given out with its entry, and taken back when nobody names it.
            _ => unreachable!("a slot without a Service"),
        }
    }

    fn entry_mut(&mut self, slot: Slot) -> &mut Entry {
        match self.entries.get_mut(slot.index()) {
            Some(Some(entry)) => entry,
            _ => unreachable!("a slot without a Service"),
        }
    }
}
