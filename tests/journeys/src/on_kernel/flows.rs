//! The maps of flow records, opened a second time, to age and remove records behind the data path's back.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, Map, MapData};
use tidegate_abi::{Ip4, Ip6, flow::flags::SETTLED, maps};

use crate::record::{self, Record, Tuple};

/// A hash map whose keys and values are words.
pub(super) type Words<const K: usize, const V: usize> = HashMap<MapData, [u32; K], [u32; V]>;

/// Both families' flow records, as words: of settled flows, and of others.
#[derive(Debug)]
pub(super) struct Flows {
    v4: [Words<4, 10>; 2],
    v6: [Words<10, 16>; 2],
}

impl Flows {
    /// Opens them by their pins.
    pub(super) fn open(pins: &Path) -> Result<Self> {
        let [settled4, settled6] = maps::FLOWS.map(|name| pins.join(name));
        let [opening4, opening6] = maps::OPENING.map(|name| pins.join(name));
        Ok(Self {
            v4: [open(&settled4)?, open(&opening4)?],
            v6: [open(&settled6)?, open(&opening6)?],
        })
    }

    pub(super) fn all(&self) -> Result<Vec<Record>> {
        read(&self.v4, &self.v6)
    }

    /// Those that are not settled.
    pub(super) fn opening(&self) -> Result<Vec<Record>> {
        read(&self.v4[1..], &self.v6[1..])
    }

    /// Where the data path would put it, and nowhere else.
    pub(super) fn put(&mut self, record: &Record) -> Result<()> {
        self.remove(&record.key)?;
        let place = usize::from(record.flags & SETTLED == 0);
        if let Some((key, flow)) = record::to_abi::<Ip4>(record) {
            let (key, flow): ([u32; 4], [u32; 10]) = (bytemuck::cast(key), bytemuck::cast(flow));
            let written = self.v4[place].insert(&key, &flow, 0);
            written.context("write an IPv4 flow")?;
        }
        if let Some((key, flow)) = record::to_abi::<Ip6>(record) {
            let (key, flow): ([u32; 10], [u32; 16]) = (bytemuck::cast(key), bytemuck::cast(flow));
            let written = self.v6[place].insert(&key, &flow, 0);
            written.context("write an IPv6 flow")?;
        }
        Ok(())
    }

    /// From where it is, if it is anywhere.
    pub(super) fn remove(&mut self, key: &Tuple) -> Result<()> {
        if let Some(key) = record::key_to_abi::<Ip4>(key) {
            let key = bytemuck::cast::<_, [u32; 4]>(key);
            for map in &mut self.v4 {
                if map.get(&key, 0).is_ok() {
                    map.remove(&key).context("remove an IPv4 flow")?;
                }
            }
        }
        if let Some(key) = record::key_to_abi::<Ip6>(key) {
            let key = bytemuck::cast::<_, [u32; 10]>(key);
            for map in &mut self.v6 {
                if map.get(&key, 0).is_ok() {
                    map.remove(&key).context("remove an IPv6 flow")?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) -> Result<()> {
        self.all()?
            .iter()
            .try_for_each(|record| self.remove(&record.key))
    }
}

fn read(v4: &[Words<4, 10>], v6: &[Words<10, 16>]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for entry in v4.iter().flat_map(Words::iter) {
        let (key, flow) = entry.context("read IPv4 flows")?;
        records.push(record::from_abi::<Ip4>(
            &bytemuck::cast(key),
            &bytemuck::cast(flow),
        ));
    }
    for entry in v6.iter().flat_map(Words::iter) {
        let (key, flow) = entry.context("read IPv6 flows")?;
        records.push(record::from_abi::<Ip6>(
            &bytemuck::cast(key),
            &bytemuck::cast(flow),
        ));
    }
    Ok(records)
}

/// Opens a map by its pin.
pub(super) fn open<const K: usize, const V: usize>(pin: &Path) -> Result<Words<K, V>> {
    let data = MapData::from_pin(pin).with_context(|| format!("cannot open {}", pin.display()))?;
    Map::from_map_data(data)
        .and_then(HashMap::try_from)
        .with_context(|| format!("{} is no hash map of words", pin.display()))
}
