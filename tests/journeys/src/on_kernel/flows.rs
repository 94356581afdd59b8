//! The maps of flow records, opened a second time, to age and remove records behind the data path's back.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, Map, MapData};
use tidegate_abi::{Ip4, Ip6, maps};

use crate::record::{self, Record, Tuple};

/// A hash map whose keys and values are words.
pub(super) type Words<const K: usize, const V: usize> = HashMap<MapData, [u32; K], [u32; V]>;

/// Both families' flow records, as words.
#[derive(Debug)]
pub(super) struct Flows {
    v4: Words<4, 10>,
    v6: Words<10, 16>,
}

impl Flows {
    /// Opens them by their pins.
    pub(super) fn open(pins: &Path) -> Result<Self> {
        let [v4, v6] = maps::FLOWS;
        Ok(Self {
            v4: open(&pins.join(v4))?,
            v6: open(&pins.join(v6))?,
        })
    }

    pub(super) fn all(&self) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in self.v4.iter() {
            let (key, flow) = entry.context("read flows4")?;
            records.push(record::from_abi::<Ip4>(
                &bytemuck::cast(key),
                &bytemuck::cast(flow),
            ));
        }
        for entry in self.v6.iter() {
            let (key, flow) = entry.context("read flows6")?;
            records.push(record::from_abi::<Ip6>(
                &bytemuck::cast(key),
                &bytemuck::cast(flow),
            ));
        }
        Ok(records)
    }

    pub(super) fn put(&mut self, record: &Record) -> Result<()> {
        if let Some((key, flow)) = record::to_abi::<Ip4>(record) {
            let (key, flow): ([u32; 4], [u32; 10]) = (bytemuck::cast(key), bytemuck::cast(flow));
            self.v4.insert(&key, &flow, 0).context("write flows4")?;
        }
        if let Some((key, flow)) = record::to_abi::<Ip6>(record) {
            let (key, flow): ([u32; 10], [u32; 16]) = (bytemuck::cast(key), bytemuck::cast(flow));
            self.v6.insert(&key, &flow, 0).context("write flows6")?;
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &Tuple) -> Result<()> {
        if let Some(key) = record::key_to_abi::<Ip4>(key) {
            self.v4
                .remove(&bytemuck::cast::<_, [u32; 4]>(key))
                .context("remove from flows4")?;
        }
        if let Some(key) = record::key_to_abi::<Ip6>(key) {
            self.v6
                .remove(&bytemuck::cast::<_, [u32; 10]>(key))
                .context("remove from flows6")?;
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) -> Result<()> {
        self.all()?
            .iter()
            .try_for_each(|record| self.remove(&record.key))
    }
}

/// Opens a map by its pin.
pub(super) fn open<const K: usize, const V: usize>(pin: &Path) -> Result<Words<K, V>> {
    let data = MapData::from_pin(pin).with_context(|| format!("cannot open {}", pin.display()))?;
    Map::from_map_data(data)
        .and_then(HashMap::try_from)
        .with_context(|| format!("{} is no hash map of words", pin.display()))
}
