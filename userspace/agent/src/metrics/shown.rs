//! Which backends get series of their own: as many as `--metrics-series-max` allows, always the same ones.
//!
//! Whole service ports are taken or left, the oldest first, so that sums over a Service's backends are right where
//! there are any, and a new Service never takes the series of an old one.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::SocketAddr,
};

use tidegate_abi::Family;

use crate::{census::Census, names::Names};

/// Series of one backend: packets and bytes both ways, flows that were opened, flows that live.
pub(super) const SERIES: usize = 6;

/// A backend that may be shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Candidate {
    pub(super) id: u32,
    pub(super) service: u32,
    pub(super) address: SocketAddr,
    /// Living flows.
    pub(super) active: u64,
    serves: bool,
}

/// What is shown, and how many backends are not.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) v4: Vec<Candidate>,
    pub(super) v6: Vec<Candidate>,
    pub(super) uncounted: usize,
    pub(super) capped: usize,
}

/// Chooses among all backends whose id is below `capacity`.
pub(super) fn choose(names: &Names, census: &Census, capacity: u32, series_max: u32) -> Chosen {
    let mut chosen = Chosen::default();
    let mut room = series_max as usize / SERIES;
    for (_, backends) in by_service(names, census) {
        let (counted, uncounted): (Vec<_>, Vec<_>) =
            backends.into_values().partition(|it| it.id < capacity);
        chosen.uncounted += uncounted.len();
        if counted.len() > room {
            chosen.capped += counted.len();
            continue;
        }
        room -= counted.len();
        for it in counted {
            match it.address {
                SocketAddr::V4(_) => chosen.v4.push(it),
                SocketAddr::V6(_) => chosen.v6.push(it),
            }
        }
    }
    chosen
}

type ByService = BTreeMap<u32, BTreeMap<SocketAddr, Candidate>>;

/// The backends of each service port that serve, and those that have left it but still have flows. One address is
/// one series, whatever ids it has had: the one that serves, or else the first, stands for it.
fn by_service(names: &Names, census: &Census) -> ByService {
    let mut all = ByService::new();
    for family in [Family::V4, Family::V6] {
        for (id, name) in names.backends(family) {
            let active = census.backend(name.service, name.address);
            let is_shown = name.serves || active > 0;
            if !is_shown || names.service(name.service).is_none() {
                continue;
            }
            let candidate = Candidate {
                id,
                service: name.service,
                address: name.address,
                active,
                serves: name.serves,
            };
            match all.entry(name.service).or_default().entry(name.address) {
                Entry::Vacant(entry) => drop(entry.insert(candidate)),
                Entry::Occupied(mut entry) if name.serves && !entry.get().serves => {
                    entry.insert(candidate);
                }
                Entry::Occupied(_) => {}
            }
        }
    }
    all
}
