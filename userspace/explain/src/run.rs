//! What the entries in `ebpf/programs` do between the hook and the door, on any tables and in any world.

use tidegate_abi::{Ip4, Ip6};
use tidegate_datapath::{
    Door, Entry, Stage, Tables, Verdict, World,
    answer::{self, Icmp},
    aside::aside,
    journey as travel,
    leaving::leaving,
    parse::{self, Ip, Network},
};

use crate::HostPacket;

/// The journey of a frame that enters at a device.
pub fn journey<T, W>(packet: &mut HostPacket, tables: &T, world: &W, entry: Entry) -> Verdict
where
    T: Tables<Ip4> + Tables<Ip6>,
    W: World<Ip4> + World<Ip6>,
{
    match parse::link(packet) {
        Ok(link) => match link.network {
            Network::V4 => enter::<Ip4, _, _>(packet, tables, world, entry, link.l3),
            Network::V6 => enter::<Ip6, _, _>(packet, tables, world, entry, link.l3),
        },
        Err(reason) => answer::without_headers(reason),
    }
}

/// The journey of a frame that this host sends; `None`: it is none of ours.
pub fn leave<T, W>(packet: &mut HostPacket, tables: &T, world: &W, entry: Entry) -> Option<Verdict>
where
    T: Tables<Ip4> + Tables<Ip6>,
    W: World<Ip4> + World<Ip6>,
{
    let link = parse::link(packet).ok()?;
    match link.network {
        Network::V4 => depart::<Ip4, _, _>(packet, tables, world, entry, link.l3),
        Network::V6 => depart::<Ip6, _, _>(packet, tables, world, entry, link.l3),
    }
}

/// [`journey`], once the family is known.
pub fn enter<A, T, W>(
    packet: &mut HostPacket,
    tables: &T,
    world: &W,
    entry: Entry,
    l3: usize,
) -> Verdict
where
    A: Ip + Icmp,
    T: Tables<A>,
    W: World<A>,
{
    let verdict = travel::<A, _, _, _>(packet, tables, world, entry, l3);
    // XDP has no such program: it passes the packet to the second stage.
    if verdict.door == Door::Aside && entry.stage != Stage::Xdp {
        return aside::<A, _, _, _>(packet, tables, world, entry, l3);
    }
    verdict
}

/// [`leave`], once the family is known.
pub fn depart<A, T, W>(
    packet: &mut HostPacket,
    tables: &T,
    world: &W,
    entry: Entry,
    l3: usize,
) -> Option<Verdict>
where
    A: Ip + Icmp,
    T: Tables<A>,
    W: World<A>,
{
    let verdict = leaving::<A, _, _, _>(packet, tables, world, entry, l3)?;
    if verdict.door != Door::Aside {
        return Some(verdict);
    }
    let verdict = aside::<A, _, _, _>(packet, tables, world, entry, l3);
    verdict.is_touched().then_some(verdict)
}
