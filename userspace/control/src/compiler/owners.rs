//! Who claims each thing that only one Service can have, oldest first.

use std::{collections::HashMap, hash::Hash, slice};

use super::entry::Slot;

#[derive(Debug)]
pub(super) struct Owners<N>(HashMap<N, Claimants>);

/// Nearly always there is one.
#[derive(Debug)]
enum Claimants {
    One(Slot),
    /// The oldest first.
    Many(Vec<Slot>),
}

impl<N> Default for Owners<N> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<N: Copy + Eq + Hash> Owners<N> {
    /// Everybody who claims it, oldest first.
    pub(super) fn claimants(&self, wanted: N) -> &[Slot] {
        match self.0.get(&wanted) {
            None => &[],
            Some(Claimants::One(slot)) => slice::from_ref(slot),
            Some(Claimants::Many(slots)) => slots,
        }
    }

    /// The oldest who claims it: who has it.
    pub(super) fn owner(&self, wanted: N) -> Option<Slot> {
        self.claimants(wanted).first().copied()
    }

    /// Notes a claim. `is_older` says whether another Service is older than this one.
    pub(super) fn insert(&mut self, wanted: N, slot: Slot, is_older: impl Fn(Slot) -> bool) {
        let slots = match self.0.remove(&wanted) {
            None => Claimants::One(slot),
            Some(Claimants::One(other)) if is_older(other) => Claimants::Many(vec![other, slot]),
            Some(Claimants::One(other)) => Claimants::Many(vec![slot, other]),
            Some(Claimants::Many(mut slots)) => {
                let place = slots.partition_point(|other| is_older(*other));
                slots.insert(place, slot);
                Claimants::Many(slots)
            }
        };
        self.0.insert(wanted, slots);
    }

    /// Forgets a claim.
    pub(super) fn remove(&mut self, wanted: N, slot: Slot) {
        let left = match self.0.remove(&wanted) {
            Some(Claimants::Many(mut slots)) => {
                slots.retain(|other| *other != slot);
                match slots[..] {
                    [] => None,
                    [last] => Some(Claimants::One(last)),
                    _ => Some(Claimants::Many(slots)),
                }
            }
            Some(Claimants::One(other)) if other != slot => Some(Claimants::One(other)),
            _ => None,
        };
        self.0.extend(left.map(|left| (wanted, left)));
    }
}
