//! What is remembered of one Service.

use std::{net::IpAddr, sync::Arc};

use tidegate_abi::{FrontendKey, Ip4, Ip6};

use super::tally::Tally;
use crate::{
    desired::DesiredPort,
    model::claims::{Draft, Number},
    object::ObjectKey,
    problem::{Origin, Problem},
    store::Age,
};

/// The place of a Service among the entries.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Slot(u32);

/// A Service.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: ObjectKey,
    pub(super) age: Age,
    pub(super) origin: Origin,
    pub(super) draft: Draft,
    /// Numbers that others have.
    pub(super) lost: Vec<Problem>,
    pub(super) v4: Half<Ip4>,
    pub(super) v6: Half<Ip6>,
    /// Addresses of endpoints of which no slice says where they are, sorted, each once.
    pub(super) unplaced: Vec<IpAddr>,
    /// Its share in the sums.
    pub(super) share: Tally,
    /// It is older, younger, or of another origin than when its claims were last noted.
    pub(super) is_moved: bool,
    /// It is not there any more, and goes when nobody names it.
    pub(super) is_gone: bool,
    /// It had problems when it was last placed.
    pub(super) has_told: bool,
}

/// What a Service has in one family.
#[derive(Debug)]
pub(super) struct Half<A> {
    /// Frontends that it claims, sorted, each once.
    pub(super) frontends: Vec<FrontendKey<A>>,
    /// Markers that it would have, sorted, one for each address.
    pub(super) markers: Vec<(A, u32)>,
    pub(super) desired: Vec<Arc<DesiredPort<A>>>,
    /// Frontends that others have.
    pub(super) clashes: Vec<Problem>,
}

impl Slot {
    pub(super) fn at(index: usize) -> Self {
        // There is no memory for more Services than that.
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl<A> Default for Half<A> {
    fn default() -> Self {
        Self {
            frontends: Vec::new(),
            markers: Vec::new(),
            desired: Vec::new(),
            clashes: Vec::new(),
        }
    }
}

impl Entry {
    pub(super) fn new(key: ObjectKey, age: Age, origin: Origin) -> Self {
        Self {
            key,
            age,
            origin,
            draft: Draft::default(),
            lost: Vec::new(),
            v4: Half::default(),
            v6: Half::default(),
            unplaced: Vec::new(),
            share: Tally::default(),
            is_moved: false,
            is_gone: false,
            has_told: false,
        }
    }

    /// The numbers that it claims.
    pub(super) fn numbers(&self) -> Vec<Number> {
        let claims = self.draft.claims.iter();
        let mut numbers: Vec<Number> = claims.map(|claim| claim.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// What it loses to others.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        let clashes = self.v4.clashes.iter().chain(&self.v6.clashes);
        self.lost.iter().chain(clashes)
    }
}

/// Whether another Service is older than this age.
pub(super) fn older(entries: &[Option<Entry>], age: Age) -> impl Fn(Slot) -> bool + '_ {
    move |other| {
        let other = entries.get(other.index()).and_then(Option::as_ref);
        other.is_some_and(|other| other.age < age)
    }
}
