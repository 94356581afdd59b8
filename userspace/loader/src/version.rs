//! Another version of the agent was here before: its maps are shared where they mean the same, its links get
//! our programs, and what is left of it goes (decision 23).

use std::{os::fd::AsFd as _, os::fd::OwnedFd, path::Path};

use aya::maps::{Map, MapData};
use tidegate_abi::{ABI_VERSION, Address, Backend, BackendId, Ip4, Ip6, maps as names};

use crate::{
    DataPath,
    detach::{self, remove_all},
    error::{Error, Step as _},
    fault,
    maps::{failed, used_backends},
    object::{ASIDES_MAP, PINNED, Pins},
    pinned,
};

/// Which version of the layouts this agent speaks, and which maps mean something else than in older ones.
#[derive(Clone, Debug)]
pub struct Abi {
    pub(crate) version: u32,
    changed: Vec<(String, u32)>,
}

impl Default for Abi {
    fn default() -> Self {
        let changed = names::CHANGED.iter();
        Self {
            version: ABI_VERSION,
            changed: changed.map(|(map, by)| ((*map).to_owned(), *by)).collect(),
        }
    }
}

impl Abi {
    /// As if these maps had changed with this version. For tests.
    pub fn pretended(version: u32, changed: &[&str]) -> Self {
        let changed = changed.iter().map(|map| ((*map).to_owned(), version));
        Self {
            version,
            changed: changed.collect(),
        }
    }

    /// Whether a map means the same in an older version. What a newer one has changed nobody knows here.
    fn shares(&self, map: &str, other: u32) -> bool {
        // While the old programs serve they must not read what is written for the new ones.
        let is_same = if TABLES.contains(&map) {
            TABLES.iter().all(|it| !self.has_changed(it, other))
        } else {
            !self.has_changed(map, other)
        };
        other < self.version && map != ASIDES_MAP && is_same
    }

    fn has_changed(&self, map: &str, other: u32) -> bool {
        let mut changed = self.changed.iter();
        changed.any(|(name, by)| name == map && *by > other)
    }
}

/// Maps whose values name entries of the others: they are shared all together, or not at all.
const TABLES: [&str; 7] = [
    names::FRONTENDS[0],
    names::FRONTENDS[1],
    names::SLOTS,
    names::BACKENDS[0],
    names::BACKENDS[1],
    names::SOURCE_RANGES[0],
    names::SOURCE_RANGES[1],
];

/// Maps whose content no source can tell again.
fn remembers(map: &str) -> bool {
    let pairs = [
        names::FLOWS,
        names::OPENING,
        names::AFFINITY,
        names::SOCKETS,
    ];
    let counters = [names::COUNTERS, names::SERVICE_TRAFFIC];
    let traffic = names::BACKEND_TRAFFIC;
    pairs.as_flattened().contains(&map) || counters.contains(&map) || traffic.contains(&map)
}

/// What other versions have pinned, the newest first, but those with links before those without.
pub(crate) fn others(bpffs: &Path, abi: &Abi) -> Vec<Pins> {
    let mut others = Pins::all_below(bpffs);
    others.retain(|pins| pins.version != abi.version);
    others.sort_by_key(|pins| !has_links(pins));
    others
}

fn has_links(pins: &Pins) -> bool {
    detach::names(&pins.links).is_ok_and(|names| !names.is_empty())
}

/// Pins the maps of another version as ours where they mean the same; returns those that are lost, and why.
pub(crate) fn share(ours: &Pins, others: &[Pins], abi: &Abi) -> Result<Vec<String>, Error> {
    let mut lost = Vec::new();
    for name in PINNED {
        let pin = ours.maps.join(name);
        if pin.exists() {
            continue;
        }
        let found = others.iter().find_map(|other| {
            let map = pinned::open(&other.maps.join(name))?;
            Some((other.version, map))
        });
        match found {
            Some((version, map)) if abi.shares(name, version) => {
                pinned::pin(map.as_fd(), &pin)?;
            }
            Some((version, _)) if remembers(name) => {
                lost.push(format!(
                    "{name} (version {version} of the maps means something else by it)"
                ));
            }
            _ => {}
        }
    }
    Ok(lost)
}

impl DataPath {
    /// Flows that live on name backends by id and generation: where our ids mean others, no old record may seem
    /// to be of one of ours.
    pub(crate) fn outlive_generations(&mut self, abi: &Abi) -> Result<(), Error> {
        for other in self.others.clone() {
            let [v4, v6] = names::BACKENDS;
            if !abi.shares(v4, other.version) && !abi.has_changed(v4, other.version) {
                self.outlive::<Ip4>(&other, v4)?;
            }
            if !abi.shares(v6, other.version) && !abi.has_changed(v6, other.version) {
                self.outlive::<Ip6>(&other, v6)?;
            }
        }
        Ok(())
    }

    fn outlive<A: Address>(&mut self, other: &Pins, name: &str) -> Result<(), Error>
    where
        Backend<A>: bytemuck::Pod + Default + PartialEq,
    {
        let Ok(theirs) = MapData::from_pin(other.maps.join(name)) else {
            return Ok(());
        };
        let theirs = Map::from_map_data(theirs).step(failed(name))?;
        let ours = self.backends::<A>()?;
        for (id, backend) in (0..).zip(used_backends::<A>(&theirs, name)?) {
            let is_unused = ours
                .get(id as usize)
                .is_none_or(|it| *it == Backend::default());
            if is_unused && backend.generation > 0 {
                let left = Backend {
                    generation: backend.generation.wrapping_add(1),
                    ..Backend::default()
                };
                self.set_backend(BackendId(id), left)?;
            }
        }
        Ok(())
    }

    /// The version of the maps whose programs still serve, if it is another one: then ours are to be attached
    /// when the maps are complete, and not before.
    pub fn predecessor(&self) -> Option<u32> {
        let serving = self.others.iter().find(|pins| has_links(pins));
        serving.map(|pins| pins.version)
    }

    /// Removes what other versions have left: their programs from where ours are not wanted, and their maps.
    pub fn retire_others(&mut self) -> Result<(), Error> {
        for pins in std::mem::take(&mut self.others) {
            remove_all(&pins)?;
        }
        Ok(())
    }

    /// A link that another version pinned by the same name, which is ours from now on.
    pub(crate) fn inherited(&self, pin: &Path) -> Option<OwnedFd> {
        let name = pin.file_name()?;
        self.others.iter().find_map(|other| {
            let theirs = other.links.join(name);
            std::fs::rename(&theirs, pin).ok()?;
            fault::point();
            pinned::open(pin)
        })
    }
}
