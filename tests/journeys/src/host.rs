//! The journey on the host: bytes for a packet, hash maps for maps, a made-up world.
//!
//! Nothing here knows tests; whoever wants to know what the data path would do with a frame can use it.

mod packet;
mod tables;
mod watched;
mod world;

pub use packet::{Held, HostPacket};
pub use tables::{Family, HostTables, Side};
pub use watched::Watched;
pub use world::HostWorld;

use tidegate_abi::{Ip4, Ip6};
use tidegate_datapath::{
    Door, Entry, Stage, Verdict,
    answer::{self, Icmp},
    aside::aside,
    journey,
    leaving::leaving,
    parse::{self, Ip, Network},
};

/// A machine without a kernel.
#[derive(Debug, Default)]
pub struct Host {
    /// Its maps.
    pub tables: HostTables,
    /// What surrounds it.
    pub world: HostWorld,
}

impl Host {
    /// What the entries in `ebpf/programs` do between the hook and the door.
    pub fn journey(&self, packet: &mut HostPacket, entry: Entry) -> Verdict {
        match parse::link(packet) {
            Ok(link) => match link.network {
                Network::V4 => self.enter::<Ip4>(packet, entry, link.l3),
                Network::V6 => self.enter::<Ip6>(packet, entry, link.l3),
            },
            Err(reason) => answer::without_headers(reason),
        }
    }

    fn enter<A: Family + Ip + Icmp>(
        &self,
        packet: &mut HostPacket,
        entry: Entry,
        l3: usize,
    ) -> Verdict {
        let (tables, world) = (&self.tables, &self.world);
        let verdict = journey::<A, _, _, _>(packet, tables, world, entry, l3);
        // XDP has no such program: it passes the packet to the second stage.
        if verdict.door == Door::Aside && entry.stage != Stage::Xdp {
            return aside::<A, _, _, _>(packet, tables, world, entry, l3);
        }
        verdict
    }

    /// The same for a packet that this host sends; `None`: it is none of ours.
    pub fn leave(&self, packet: &mut HostPacket, entry: Entry) -> Option<Verdict> {
        let link = parse::link(packet).ok()?;
        match link.network {
            Network::V4 => self.depart::<Ip4>(packet, entry, link.l3),
            Network::V6 => self.depart::<Ip6>(packet, entry, link.l3),
        }
    }

    fn depart<A: Family + Ip + Icmp>(
        &self,
        packet: &mut HostPacket,
        entry: Entry,
        l3: usize,
    ) -> Option<Verdict> {
        let (tables, world) = (&self.tables, &self.world);
        let verdict = leaving::<A, _, _, _>(packet, tables, world, entry, l3)?;
        if verdict.door != Door::Aside {
            return Some(verdict);
        }
        let verdict = aside::<A, _, _, _>(packet, tables, world, entry, l3);
        verdict.is_touched().then_some(verdict)
    }
}
