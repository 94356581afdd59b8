//! What is remembered of the service ports of one family from plan to plan: what each should be, and what
//! of it is in the maps. A plan for a few of them looks at nothing of the others.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tidegate_abi::{FrontendKey, Pool, Port, SourceRangeKey};

use super::backends::Backends;
use crate::{
    desired::{DesiredPort, Target},
    model::PortKey,
};

#[derive(Debug)]
pub(super) struct Known<A> {
    pub(super) backends: Backends<A>,
    pub(super) ports: HashMap<Arc<PortKey>, KnownPort<A>>,
    /// How many service ports know a backend to be on this node.
    here: HashMap<(A, Port), u32>,
    /// Service ports that did not fit, wholly or in part: each plan tries them again.
    pub(super) short: Vec<Arc<PortKey>>,
    /// Markers for which there was no room: likewise.
    pub(super) unmarked: BTreeMap<A, u32>,
}

/// A service port.
#[derive(Debug)]
pub(super) struct KnownPort<A> {
    pub(super) desired: Arc<DesiredPort<A>>,
    /// `None`: it is not in the maps.
    pub(super) placed: Option<Placed<A>>,
}

/// What a service port has in the maps.
#[derive(Clone, Debug)]
pub(super) struct Placed<A> {
    pub(super) service: u32,
    pub(super) cluster: Pool,
    pub(super) local: Pool,
    /// Some of them may belong to another service port by now, as the map itself says.
    pub(super) frontends: Vec<FrontendKey<A>>,
    pub(super) source_ranges: Vec<SourceRangeKey<A>>,
}

impl<A> Placed<A> {
    /// Its tables, each once.
    pub(super) fn pools(&self) -> impl Iterator<Item = Pool> {
        let second = (self.local != self.cluster).then_some(self.local);
        [self.cluster].into_iter().chain(second)
    }
}

/// Backends of which it was asked whether they are here, and the answer before the plan.
pub(super) type Moves<A> = BTreeMap<(A, Port), bool>;

impl<A: Copy + Eq + Ord + std::hash::Hash> Known<A> {
    pub(super) fn new(backends: Backends<A>) -> Self {
        Self {
            backends,
            ports: HashMap::new(),
            here: HashMap::new(),
            short: Vec::new(),
            unmarked: BTreeMap::new(),
        }
    }

    /// Whether any service port knows the backend to be on this node.
    pub(super) fn is_here(&self, target: &Target<A>) -> bool {
        self.here.contains_key(&(target.addr, target.port))
    }

    /// Puts what one service port knows in the place of what it knew.
    pub(super) fn tell(
        &mut self,
        old: Option<&DesiredPort<A>>,
        new: Option<&DesiredPort<A>>,
        moves: &mut Moves<A>,
    ) {
        for key in new.into_iter().flat_map(here) {
            let count = self.here.entry(key).or_insert(0);
            moves.entry(key).or_insert(*count > 0);
            *count += 1;
        }
        for key in old.into_iter().flat_map(here) {
            moves.entry(key).or_insert(true);
            if let Some(count) = self.here.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.here.remove(&key);
                }
            }
        }
    }

    /// Forgets which backends are here.
    pub(super) fn forget_places(&mut self) {
        self.here.clear();
    }

    /// Those that came here or left, and whether they are here now.
    pub(super) fn moved(&self, moves: &Moves<A>) -> Vec<((A, Port), bool)> {
        let now = |key: &(A, Port)| self.here.contains_key(key);
        let all = moves.iter().map(|(key, was)| (*key, *was, now(key)));
        all.filter(|(_, was, now)| was != now)
            .map(|(key, _, now)| (key, now))
            .collect()
    }
}

/// The backends that a service port knows to be here; one that is in both of its tables comes twice.
fn here<A: Copy>(port: &DesiredPort<A>) -> impl Iterator<Item = (A, Port)> {
    let all = port.cluster.iter().chain(&port.local);
    all.filter(|target| target.local)
        .map(|target| (target.addr, target.port))
}
