//! What the data path counts, read beside the loop that writes maps: with descriptors of its own.

use std::os::fd::AsFd as _;

use aya::maps::{Map, MapData, PerCpuArray};
use tidegate_abi::{Address, Counter, Family, Traffic, maps as names};

use crate::{
    DataPath,
    error::{Error, Step as _},
    load::missing,
    maps::Raw,
    unseen::{Shared, Whose, backends_of},
};

/// The maps that count.
#[derive(Debug)]
pub struct Meters {
    reasons: Map,
    services: Map,
    backends: [Map; 2],
    unseen: Shared,
}

impl DataPath {
    /// What a thread needs to read counters.
    pub fn meters(&self) -> Result<Meters, Error> {
        let map = |name: &str| -> Result<Map, Error> {
            let Map::PerCpuArray(data) = self.map(name)? else {
                return Err(missing(name));
            };
            let fd = data.fd().as_fd().try_clone_to_owned().step(name)?;
            Map::from_map_data(MapData::from_fd(fd).step(name)?).step(name)
        };
        let [v4, v6] = names::BACKEND_TRAFFIC;
        Ok(Meters {
            reasons: map(names::COUNTERS)?,
            services: map(names::SERVICE_TRAFFIC)?,
            backends: [map(v4)?, map(v6)?],
            unseen: self.unseen.clone(),
        })
    }
}

impl Meters {
    /// Packets and bytes, indexed by reason number.
    pub fn reasons(&self) -> Result<Vec<Counter>, Error> {
        let traces = self.unseen.lock();
        let mut counters = self.raw_reasons()?;
        traces.take_off_reasons(&mut counters);
        Ok(counters)
    }

    /// The same, runs that nobody should see included.
    pub(crate) fn raw_reasons(&self) -> Result<Vec<Counter>, Error> {
        let add = |sum: Counter, cpu: &Counter| Counter {
            packets: sum.packets.wrapping_add(cpu.packets),
            bytes: sum.bytes.wrapping_add(cpu.bytes),
        };
        let map = array::<Counter>(&self.reasons)?;
        (0..map.len()).map(|id| total(&map, id, add)).collect()
    }

    /// How many service ports, and backends of each family, are counted at most: those with the lowest ids.
    pub fn capacity(&self) -> Result<u32, Error> {
        Ok(array::<Traffic>(&self.services)?.len())
    }

    /// The traffic of service ports, in the order of the ids; zero for ids that are not counted.
    pub fn services(&self, ids: impl IntoIterator<Item = u32>) -> Result<Vec<Traffic>, Error> {
        let ids: Vec<u32> = ids.into_iter().collect();
        let traces = self.unseen.lock();
        let traffic = self.raw_services(ids.iter().copied())?;
        let each = ids.iter().zip(traffic);
        Ok(each
            .map(|(id, it)| traces.take_off(Whose::Services, *id, it))
            .collect())
    }

    /// The same, runs that nobody should see included.
    pub(crate) fn raw_services(
        &self,
        ids: impl IntoIterator<Item = u32>,
    ) -> Result<Vec<Traffic>, Error> {
        all(&self.services, ids)
    }

    /// The traffic of backends, in the order of the ids; zero for ids that are not counted.
    pub fn backends<A: Address>(
        &self,
        ids: impl IntoIterator<Item = u32>,
    ) -> Result<Vec<Traffic>, Error> {
        let ids: Vec<u32> = ids.into_iter().collect();
        let traces = self.unseen.lock();
        let traffic = self.raw_backends::<A>(ids.iter().copied())?;
        let each = ids.iter().zip(traffic);
        Ok(each
            .map(|(id, it)| traces.take_off(backends_of::<A>(), *id, it))
            .collect())
    }

    /// The same, runs that nobody should see included.
    pub(crate) fn raw_backends<A: Address>(
        &self,
        ids: impl IntoIterator<Item = u32>,
    ) -> Result<Vec<Traffic>, Error> {
        let [v4, v6] = &self.backends;
        all(if A::FAMILY == Family::V4 { v4 } else { v6 }, ids)
    }
}

fn all(map: &Map, ids: impl IntoIterator<Item = u32>) -> Result<Vec<Traffic>, Error> {
    let map = array::<Traffic>(map)?;
    let capacity = map.len();
    let ids = ids.into_iter();
    ids.map(|id| {
        if id < capacity {
            total(&map, id, add)
        } else {
            Ok(Traffic::default())
        }
    })
    .collect()
}

fn array<T: bytemuck::Pod>(map: &Map) -> Result<PerCpuArray<&MapData, Raw<T>>, Error> {
    map.try_into().step("cannot use a map of counters")
}

fn total<T: bytemuck::Pod + Default>(
    map: &PerCpuArray<&MapData, Raw<T>>,
    id: u32,
    add: impl Fn(T, &T) -> T,
) -> Result<T, Error> {
    let values = map.get(&id, 0).step("cannot read a map of counters")?;
    Ok(values
        .iter()
        .fold(T::default(), |sum, cpu| add(sum, &cpu.0)))
}

fn add(sum: Traffic, cpu: &Traffic) -> Traffic {
    Traffic {
        packets: sum.packets.wrapping_add(cpu.packets),
        bytes: sum.bytes.wrapping_add(cpu.bytes),
        reply_packets: sum.reply_packets.wrapping_add(cpu.reply_packets),
        reply_bytes: sum.reply_bytes.wrapping_add(cpu.reply_bytes),
        opened: sum.opened.wrapping_add(cpu.opened),
        refused: sum.refused.wrapping_add(cpu.refused),
    }
}
