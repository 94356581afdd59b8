//! Source ranges in the kernel's trie: given back as they were put in, found as the data path asks.

use anyhow::{Result, ensure};
use bytemuck::Pod;
use tidegate_abi::{
    Address, AffinityKey, Ip4, Ip6, SourceRangeKey, maps, source_range::SERVICE_BITS,
};
use tidegate_loader::DataPath;

use crate::stage::Stage;

/// A block of a service port's clients, `bits` behind the service's own.
fn range<A: Address>(service: u32, addr: A, bits: u32) -> SourceRangeKey<A> {
    SourceRangeKey {
        prefix_len: SERVICE_BITS + bits,
        service,
        addr,
    }
}

fn used(data_path: &DataPath, name: &str) -> Result<(Option<u32>, u32)> {
    let rows = data_path.map_use()?;
    let row = rows.into_iter().find(|row| row.0 == name);
    row.map(|row| (row.1, row.2))
        .ok_or_else(|| anyhow::anyhow!("no row for {name}"))
}

fn round_trip<A: Address>(data_path: &mut DataPath, block: A, name: &str) -> Result<()>
where
    AffinityKey<A>: Pod,
{
    let bits = 8 * u32::try_from(size_of::<A>())?;
    let mut ranges = vec![
        range(1, A::default(), 0),
        range(1, block, bits - 8),
        range(2, block, bits - 8),
        range(2, block, bits),
    ];
    for key in &ranges {
        data_path.set_source_range(*key, true)?;
        // Again, as after a restart: one entry.
        data_path.set_source_range(*key, true)?;
    }
    let mut found = data_path.source_ranges::<A>()?;
    found.sort_unstable();
    ranges.sort_unstable();
    ensure!(found == ranges, "{found:?}, expected {ranges:?}");
    ensure!(used(data_path, name)? == (Some(4), maps::SOURCE_RANGES_MAX));

    let gone = range(2, block, bits - 8);
    data_path.set_source_range(gone, false)?;
    data_path.set_source_range(gone, false)?;
    let mut found = data_path.source_ranges::<A>()?;
    found.sort_unstable();
    ranges.retain(|key| *key != gone);
    ensure!(found == ranges, "{found:?}, expected {ranges:?}");
    ensure!(data_path.affinities::<A>()?.is_empty());
    Ok(())
}

#[test]
fn source_ranges_are_given_back_and_nested_ones_go_alone() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    round_trip(
        &mut data_path,
        Ip4::new([203, 0, 113, 0]),
        maps::SOURCE_RANGES[0],
    )?;
    let mut octets = [0; 16];
    octets[..2].copy_from_slice(&[0x20, 1]);
    round_trip(&mut data_path, Ip6::new(octets), maps::SOURCE_RANGES[1])
}

#[test]
fn rule_5_1_15_source_ranges_outlive_the_agent() -> Result<()> {
    let stage = Stage::new()?;
    let key = range(7, Ip4::new([198, 51, 100, 0]), 24);
    stage.load()?.set_source_range(key, true)?;
    let second = stage.load()?;
    ensure!(second.adopted(), "not adopted");
    ensure!(second.source_ranges::<Ip4>()? == [key]);
    Ok(())
}
