//! What the kernel's maps hold, read behind the agent's back and taken apart by hand: its lists say what it believes.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use anyhow::{Context as _, Result};
use aya::maps::{Array, HashMap, Map, MapData};

/// A frontend with the backends that its selection table names, in the order of their addresses.
pub(crate) fn tables(pins: &Path) -> Result<BTreeSet<String>> {
    let maps = pins.join("v1/maps");
    let slots: Array<_, u32> = Map::Array(pinned(&maps, "slots")?).try_into()?;
    let mut rows = BTreeSet::new();
    // Address, port, protocol and padding; address, port, flags and generation.
    family::<8, 12>(&maps, '4', &slots, &mut rows)?;
    family::<20, 24>(&maps, '6', &slots, &mut rows)?;
    Ok(rows)
}

fn pinned(maps: &Path, name: &str) -> Result<MapData> {
    MapData::from_pin(maps.join(name)).with_context(|| name.to_owned())
}

fn family<const KEY: usize, const BACKEND: usize>(
    maps: &Path,
    family: char,
    slots: &Array<MapData, u32>,
    rows: &mut BTreeSet<String>,
) -> Result<()> {
    let frontends = Map::HashMap(pinned(maps, &format!("frontends{family}"))?);
    let frontends: HashMap<_, [u8; KEY], [u32; 7]> = frontends.try_into()?;
    let backends = Map::Array(pinned(maps, &format!("backends{family}"))?);
    let backends: Array<_, [u8; BACKEND]> = backends.try_into()?;
    for entry in frontends.iter() {
        // Service, flags, then the ranges of slots for the cluster and for this node.
        let (key, [_, _, start, len, ..]) = entry?;
        let at = place(&key)?;
        let proto = match key[KEY - 2] {
            6 => "TCP",
            17 => "UDP",
            132 => "SCTP",
            _ => "?",
        };
        // Those that stand for a whole clusterIP, or for the loopback.
        if at.port() == 0 || at.ip().is_unspecified() {
            continue;
        }
        let mut named = Vec::new();
        for slot in start..start + len {
            let id = slots.get(&slot, 0)?;
            named.push(place(&backends.get(&id, 0)?)?);
        }
        named.sort();
        rows.insert(row(at, proto, &named));
    }
    Ok(())
}

pub(crate) fn row(at: SocketAddr, proto: &str, backends: &[SocketAddr]) -> String {
    format!("{at} {proto} {backends:?}")
}

/// The address and the port with which the bytes begin, both as they are in packets; four bytes follow the port
/// of a frontend's key or of a backend at the most.
fn place(bytes: &[u8]) -> Result<SocketAddr> {
    let is_v4 = bytes.len() < 16;
    let (address, rest) = bytes.split_at(if is_v4 { 4 } else { 16 });
    let address: IpAddr = if is_v4 {
        <[u8; 4]>::try_from(address)?.into()
    } else {
        <[u8; 16]>::try_from(address)?.into()
    };
    let port = rest.first_chunk().context("too short for a port")?;
    Ok((address, u16::from_be_bytes(*port)).into())
}
