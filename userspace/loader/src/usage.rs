//! How full the maps are, asked beside the loop that writes them: with descriptors of its own.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::maps::{Map, MapData};
use tidegate_abi::maps as names;

use crate::{
    DataPath,
    batch::Walk,
    error::{Error, Step as _},
    load::missing,
};

/// Entries that are read at a time.
const BATCH: u32 = 2048;
/// Maps whose entries come and go.
const COUNTED: [[&str; 2]; 8] = [
    names::FRONTENDS,
    names::FLOWS,
    names::OPENING,
    names::AFFINITY,
    names::SOURCE_RANGES,
    names::LOCAL_PODS,
    names::SOCKETS,
    names::FRAGMENTS,
];

/// The maps whose entries can be counted.
#[derive(Debug)]
pub struct MapMeter(Vec<Meter>);

#[derive(Debug)]
struct Meter {
    name: &'static str,
    map: OwnedFd,
    key: usize,
    value: usize,
    capacity: u32,
}

impl DataPath {
    /// What a thread needs to count the entries of maps.
    pub fn map_meter(&self) -> Result<MapMeter, Error> {
        let names = COUNTED.iter().flatten().chain([&names::DEVICES]);
        let mut meters = names
            .map(|name| self.meter(name))
            .collect::<Result<Vec<_>, _>>()?;
        meters.sort_by_key(|meter| meter.name);
        Ok(MapMeter(meters))
    }

    fn meter(&self, name: &'static str) -> Result<Meter, Error> {
        let data: &MapData = match self.map(name)? {
            Map::HashMap(data) | Map::LruHashMap(data) | Map::LpmTrie(data) => data,
            _ => return Err(missing(name)),
        };
        let info = data.info().step(name)?;
        Ok(Meter {
            name,
            map: data.fd().as_fd().try_clone_to_owned().step(name)?,
            key: info.key_size() as usize,
            value: info.value_size() as usize,
            capacity: info.max_entries(),
        })
    }
}

impl MapMeter {
    /// Name, entries used and capacity of each map, by name. `None`: this kernel cannot tell.
    pub fn count(&self) -> Vec<(String, Option<u32>, u32)> {
        let count = |meter: &Meter| (meter.name.to_owned(), meter.count(), meter.capacity);
        self.0.iter().map(count).collect()
    }
}

impl Meter {
    fn count(&self) -> Option<u32> {
        let mut keys = vec![0; self.key * BATCH as usize];
        let mut values = vec![0; self.value * BATCH as usize];
        let mut walk = Walk::of(&self.map);
        let mut used = 0;
        while let Some(count) = walk.next(&mut keys, &mut values, BATCH).ok()? {
            used += count;
        }
        Some(used)
    }
}
