//! The maps of affinity records, opened a second time, to age records behind the data path's back.

use std::path::Path;

use anyhow::{Context as _, Result};
use tidegate_abi::{Ip4, Ip6, maps};

use super::flows::{Words, open};
use crate::sticky::{self, Sticky};

/// Both families' records, as words.
#[derive(Debug)]
pub(super) struct Affinities {
    v4: Words<2, 4>,
    v6: Words<5, 4>,
}

impl Affinities {
    /// Opens them by their pins.
    pub(super) fn open(pins: &Path) -> Result<Self> {
        let [v4, v6] = maps::AFFINITY;
        Ok(Self {
            v4: open(&pins.join(v4))?,
            v6: open(&pins.join(v6))?,
        })
    }

    pub(super) fn all(&self) -> Result<Vec<Sticky>> {
        let mut records = Vec::new();
        for entry in self.v4.iter() {
            let (key, value) = entry.context("read affinity4")?;
            records.push(sticky::from_abi::<Ip4>(
                &bytemuck::cast(key),
                &bytemuck::cast(value),
            ));
        }
        for entry in self.v6.iter() {
            let (key, value) = entry.context("read affinity6")?;
            records.push(sticky::from_abi::<Ip6>(
                &bytemuck::cast(key),
                &bytemuck::cast(value),
            ));
        }
        Ok(records)
    }

    pub(super) fn put(&mut self, record: &Sticky) -> Result<()> {
        if let Some((key, value)) = sticky::to_abi::<Ip4>(record) {
            let (key, value): ([u32; 2], [u32; 4]) = (bytemuck::cast(key), bytemuck::cast(value));
            self.v4.insert(&key, &value, 0).context("write affinity4")?;
        }
        if let Some((key, value)) = sticky::to_abi::<Ip6>(record) {
            let (key, value): ([u32; 5], [u32; 4]) = (bytemuck::cast(key), bytemuck::cast(value));
            self.v6.insert(&key, &value, 0).context("write affinity6")?;
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) -> Result<()> {
        for record in self.all()? {
            if let Some((key, _)) = sticky::to_abi::<Ip4>(&record) {
                self.v4
                    .remove(&bytemuck::cast::<_, [u32; 2]>(key))
                    .context("remove from affinity4")?;
            }
            if let Some((key, _)) = sticky::to_abi::<Ip6>(&record) {
                self.v6
                    .remove(&bytemuck::cast::<_, [u32; 5]>(key))
                    .context("remove from affinity6")?;
            }
        }
        Ok(())
    }
}
