//! Ids of service ports. Id 0 is nobody's. Low ids have traffic counters, so ids are given out again, but only
//! when all that have counters were used once, and the longest unused one first: by then no flow knows it.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use tidegate_abi::{Address, maps::TRAFFIC_MAX};

use super::image::FamilyImage;
use crate::{desired::DesiredPort, model::PortKey};

#[derive(Debug)]
pub(super) struct Services {
    ids: HashMap<Arc<PortKey>, u32>,
    names: HashMap<u32, Arc<PortKey>>,
    /// Ids that the maps held at the start: not for new service ports.
    found: HashSet<u32>,
    last: u32,
    /// Ids that had an owner, in the order in which they lost it.
    free: VecDeque<u32>,
    /// Given out since somebody last asked.
    new: Vec<u32>,
    /// Likewise those that lost their owner.
    gone: Vec<u32>,
}

impl Services {
    pub(super) fn new(found: HashSet<u32>) -> Self {
        let last = found.iter().copied().max().unwrap_or(0);
        // Of those that nobody has, nobody knows who had them last.
        let free = (1..=last.min(TRAFFIC_MAX))
            .filter(|id| !found.contains(id))
            .collect();
        Self {
            ids: HashMap::new(),
            names: HashMap::new(),
            found,
            last,
            free,
            new: Vec::new(),
            gone: Vec::new(),
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
        if self.last >= TRAFFIC_MAX {
            while let Some(id) = self.free.pop_front() {
                if !self.names.contains_key(&id) && !self.found.contains(&id) {
                    self.record(id, key);
                    self.new.push(id);
                    return id;
                }
            }
        }
        loop {
            self.last = self.last.wrapping_add(1);
            let id = self.last;
            if id != 0 && !self.names.contains_key(&id) && !self.found.contains(&id) {
                self.record(id, key);
                self.new.push(id);
                return id;
            }
        }
    }

    /// Ids that were given out since this was last asked.
    pub(super) fn take_new(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.new)
    }

    /// Ids that lost their owner since this was last asked.
    pub(super) fn take_gone(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.gone)
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
        let gone = self.names.extract_if(|_, key| !live(key));
        for (id, _) in gone {
            self.free.push_back(id);
            self.gone.push(id);
        }
    }

    /// Forgets a service port that is gone.
    pub(super) fn forget(&mut self, key: &PortKey) {
        if let Some(id) = self.ids.remove(key) {
            self.names.remove(&id);
            self.free.push_back(id);
            self.gone.push(id);
        }
    }

    fn record(&mut self, id: u32, key: &Arc<PortKey>) {
        self.ids.insert(Arc::clone(key), id);
        self.names.insert(id, Arc::clone(key));
    }
}

/// Which ids the frontends of the desired service ports have in the maps.
pub(super) fn seen<'a, A: Address>(
    half: &FamilyImage<A>,
    ports: &'a [Arc<DesiredPort<A>>],
) -> impl Iterator<Item = (u32, &'a Arc<PortKey>)> {
    ports.iter().flat_map(move |port| {
        let frontends = port
            .frontends
            .iter()
            .filter_map(|(key, _)| half.frontends.get(key));
        frontends.map(|frontend| (frontend.service, &port.key))
    })
}

#[cfg(test)]
mod tests {
    use tidegate_abi::{Family, Proto};

    use super::*;

    fn key(number: u32) -> Arc<PortKey> {
        Arc::new(PortKey {
            namespace: "default".into(),
            service: format!("s{number}"),
            port_name: String::new(),
            proto: Proto::TCP,
            family: Family::V4,
        })
    }

    /// The ids that a thousand times as many Services get as ever live at one time.
    #[test]
    fn ids_stay_low_and_the_longest_unused_one_comes_back_first() {
        let mut services = Services::new(HashSet::from([7]));
        let stays = key(0);
        assert_eq!(services.id_or_new(&stays), 8);
        let mut last_use = HashMap::new();
        for number in 1..3 * TRAFFIC_MAX {
            let key = key(number);
            let id = services.id_or_new(&key);
            assert!(
                (1..=TRAFFIC_MAX).contains(&id) && id != 8 && id != 7,
                "{id}"
            );
            if let Some(before) = last_use.insert(id, number) {
                assert!(
                    number - before > TRAFFIC_MAX / 2,
                    "{id}: {before}, {number}"
                );
            }
            services.retain(|it| *it == stays);
        }
        assert_eq!(services.id(&stays), Some(8));
    }
}
