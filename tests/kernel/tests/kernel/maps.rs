//! Every typed map gives back what was put into it, in both families.

use anyhow::{Result, ensure};
use bytemuck::Pod;
use tidegate_abi::{
    Address, Backend, BackendId, Device, Frontend, FrontendKey, Ip4, Ip6, LocalPod, maps, reason,
};
use tidegate_loader::DataPath;

use crate::stage::Stage;

/// A value whose bytes all differ, so that none can be lost or moved unseen.
fn pattern<T: Pod>(seed: u8) -> T {
    let bytes: Vec<u8> = (0..size_of::<T>())
        .map(|index| seed.wrapping_add((index % 250) as u8))
        .collect();
    bytemuck::pod_read_unaligned(&bytes)
}

fn same<T: Ord + std::fmt::Debug>(mut found: Vec<T>, mut expected: Vec<T>) -> Result<()> {
    found.sort();
    expected.sort();
    ensure!(found == expected, "{found:?}, expected {expected:?}");
    Ok(())
}

/// As bytes, since not every value has an order.
fn bytes<K: Pod, V: Pod>(entries: &[(K, V)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |(key, value): &(K, V)| {
        (
            bytemuck::bytes_of(key).to_vec(),
            bytemuck::bytes_of(value).to_vec(),
        )
    };
    entries.iter().map(bytes).collect()
}

#[test]
fn hash_maps_give_back_what_was_put_and_forget_what_was_removed() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    hashes::<Ip4>(&mut data_path)?;
    hashes::<Ip6>(&mut data_path)?;
    let devices: Vec<(u32, Device)> = [1, 7].map(|index| (index, pattern(index as u8))).into();
    for (index, device) in &devices {
        data_path.set_device(*index, Some(*device))?;
    }
    same(bytes(&data_path.known_devices()?), bytes(&devices))?;
    data_path.set_device(1, None)?;
    data_path.set_device(1, None)?;
    same(bytes(&data_path.known_devices()?), bytes(&devices[1..]))
}

fn hashes<A: Address>(data_path: &mut DataPath) -> Result<()>
where
    FrontendKey<A>: Pod,
{
    let frontends: Vec<(FrontendKey<A>, Frontend)> = [1, 2, 3]
        .map(|seed| (pattern(seed), pattern(seed + 50)))
        .into();
    for (key, value) in &frontends {
        // The second write replaces the first.
        data_path.set_frontend(*key, Some(Frontend::default()))?;
        data_path.set_frontend(*key, Some(*value))?;
    }
    same(bytes(&data_path.frontends::<A>()?), bytes(&frontends))?;
    data_path.set_frontend(frontends[0].0, None)?;
    data_path.set_frontend(frontends[0].0, None)?;
    same(bytes(&data_path.frontends::<A>()?), bytes(&frontends[1..]))?;

    let pods: Vec<(A, LocalPod)> = [1, 2]
        .map(|seed| (pattern(seed), pattern(seed + 50)))
        .into();
    for (addr, pod) in &pods {
        data_path.set_local_pod(*addr, Some(*pod))?;
    }
    same(bytes(&data_path.local_pods::<A>()?), bytes(&pods))?;
    data_path.set_local_pod(pods[0].0, None)?;
    same(bytes(&data_path.local_pods::<A>()?), bytes(&pods[1..]))
}

#[test]
fn backends_are_given_back_by_id_without_the_unused_end() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    backends::<Ip4>(&mut data_path)?;
    backends::<Ip6>(&mut data_path)
}

fn backends<A: Address>(data_path: &mut DataPath) -> Result<()>
where
    Backend<A>: Pod + Default + PartialEq + std::fmt::Debug,
{
    ensure!(
        data_path.backends::<A>()?.is_empty(),
        "unused from the start"
    );
    let values: [(u32, Backend<A>); 3] =
        [(1, 1), (5, 2), (4000, 3)].map(|(id, seed)| (id, pattern(seed)));
    for (id, value) in values {
        data_path.set_backend(BackendId(id), value)?;
    }
    let found = data_path.backends::<A>()?;
    ensure!(found.len() == 4001, "{} backends", found.len());
    for (id, backend) in found.iter().enumerate() {
        let put = values.iter().find(|(put, _)| *put as usize == id);
        let expected = put.map(|(_, value)| *value).unwrap_or_default();
        ensure!(*backend == expected, "{id}: {backend:?}");
    }
    data_path.set_backend(BackendId(4000), Backend::default())?;
    ensure!(data_path.backends::<A>()?.len() == 6, "the end is cut off");
    let beyond = data_path.set_backend(BackendId(maps::BACKENDS_MAX), values[0].1);
    ensure!(beyond.is_err(), "an id beyond the map was taken");
    Ok(())
}

#[test]
fn slots_are_given_back_in_order() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    let ids = [9, 8, 7].map(BackendId);
    data_path.set_slots(3, &ids)?;
    let expected = [0, 0, 0, 9, 8, 7, 0].map(BackendId);
    ensure!(data_path.slots(7)? == expected, "{:?}", data_path.slots(7)?);
    ensure!(
        data_path.slots(4)? == expected[..4],
        "{:?}",
        data_path.slots(4)?
    );
    ensure!(data_path.slots(0)?.is_empty());
    let beyond = data_path.set_slots(maps::SLOTS_MAX - 1, &ids);
    ensure!(beyond.is_err(), "slots beyond the map were taken");
    Ok(())
}

#[test]
fn counters_have_an_entry_for_each_reason_and_begin_at_zero() -> Result<()> {
    let stage = Stage::new()?;
    let counters = stage.load()?.counters()?;
    ensure!(
        counters.len() == reason::COUNT,
        "{} entries",
        counters.len()
    );
    ensure!(counters.iter().all(|it| (it.packets, it.bytes) == (0, 0)));
    Ok(())
}

#[test]
fn map_use_counts_entries_and_knows_the_capacity() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    for seed in [1, 2] {
        data_path.set_frontend::<Ip6>(pattern(seed), Some(pattern(seed)))?;
    }
    data_path.set_local_pod::<Ip4>(pattern(1), Some(pattern(1)))?;
    let rows = data_path.map_use()?;
    ensure!(rows.len() == 17, "{rows:?}");
    for (name, used, capacity) in rows {
        let expected = match name.as_str() {
            "frontends6" => (2, maps::FRONTENDS_MAX),
            "frontends4" => (0, maps::FRONTENDS_MAX),
            "local_pods4" => (1, maps::LOCAL_PODS_MAX),
            "local_pods6" => (0, maps::LOCAL_PODS_MAX),
            "sockets4" | "sockets6" => (0, maps::SOCKETS_MAX),
            "affinity4" | "affinity6" => (0, maps::AFFINITY_MAX),
            "source_ranges4" | "source_ranges6" => (0, maps::SOURCE_RANGES_MAX),
            "devices" => (0, maps::DEVICES_MAX),
            "fragments4" | "fragments6" => (0, maps::FRAGMENTS_MAX),
            _ => (0, crate::stage::FLOWS),
        };
        ensure!(
            (used, capacity) == (Some(expected.0), expected.1),
            "{name}: {used:?} of {capacity}"
        );
    }
    Ok(())
}
