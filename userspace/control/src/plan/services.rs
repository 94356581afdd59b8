//! Ids of service ports. Id 0 is nobody's; an id is not given out again while the agent runs.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use tidegate_abi::Address;

use super::image::FamilyImage;
use crate::{desired::DesiredPort, model::PortKey};

#[derive(Debug)]
pub(super) struct Services {
    ids: HashMap<Arc<PortKey>, u32>,
    names: HashMap<u32, Arc<PortKey>>,
    /// Ids that the maps held at the start: not for new service ports.
    found: HashSet<u32>,
    last: u32,
}

impl Services {
    pub(super) fn new(found: HashSet<u32>) -> Self {
        let last = found.iter().copied().max().unwrap_or(0);
        Self {
            ids: HashMap::new(),
            names: HashMap::new(),
            found,
            last,
        }
    }

    /// Gives service ports back the ids that their frontends have in the maps. Ids that several
    /// service ports have are trusted to none of them (rule 5.1.15).
    pub(super) fn recognise<'a>(&mut self, seen: impl Iterator<Item = (u32, &'a Arc<PortKey>)>) {
        let mut owners: BTreeMap<u32, Option<&Arc<PortKey>>> = BTreeMap::new();
        for (id, key) in seen.filter(|(id, _)| *id != 0) {
            let owner = owners.entry(id).or_insert(Some(key));
            *owner = owner.filter(|owner| *owner == key);
        }
        for (id, owner) in owners {
            match owner {
                Some(key) if !self.ids.contains_key(key) => self.record(id, key),
                _ => {}
            }
        }
    }

    /// The id of a service port, a new one if it has none.
    pub(super) fn id_or_new(&mut self, key: &Arc<PortKey>) -> u32 {
        if let Some(&id) = self.ids.get(key) {
            return id;
        }
        loop {
            self.last = self.last.wrapping_add(1);
            let id = self.last;
            if id != 0 && !self.names.contains_key(&id) && !self.found.contains(&id) {
                self.record(id, key);
                return id;
            }
        }
    }

    pub(super) fn id(&self, key: &PortKey) -> Option<u32> {
        self.ids.get(key).copied()
    }

    pub(super) fn name(&self, id: u32) -> Option<&PortKey> {
        self.names.get(&id).map(Arc::as_ref)
    }

    /// Forgets service ports that are gone.
    pub(super) fn retain(&mut self, live: impl Fn(&Arc<PortKey>) -> bool) {
        self.ids.retain(|key, _| live(key));
        self.names.retain(|_, key| live(key));
    }

    fn record(&mut self, id: u32, key: &Arc<PortKey>) {
        self.ids.insert(Arc::clone(key), id);
        self.names.insert(id, Arc::clone(key));
    }
}

/// Which ids the frontends of the desired service ports have in the maps.
pub(super) fn seen<'a, A: Address>(
    half: &FamilyImage<A>,
    ports: &'a [DesiredPort<A>],
) -> impl Iterator<Item = (u32, &'a Arc<PortKey>)> {
    ports.iter().flat_map(move |port| {
        let frontends = port
            .frontends
            .iter()
            .filter_map(|(key, _)| half.frontends.get(key));
        frontends.map(|frontend| (frontend.service, &port.key))
    })
}
