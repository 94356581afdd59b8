//! The journey on the host: bytes for a packet, hash maps for maps, a made-up world.
//!
//! Nothing here knows tests; whoever wants to know what the data path would do with a frame can use it.

mod packet;
mod tables;
mod world;

pub use packet::HostPacket;
pub use tables::{Family, HostTables, Side};
pub use world::HostWorld;

use tidegate_abi::{Ip4, Ip6};
use tidegate_datapath::{
    Entry, Verdict, answer, journey,
    leaving::leaving,
    parse::{self, Network},
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
        let (tables, world) = (&self.tables, &self.world);
        match parse::link(packet) {
            Ok(link) => match link.network {
                Network::V4 => journey::<Ip4, _, _, _>(packet, tables, world, entry, link.l3),
                Network::V6 => journey::<Ip6, _, _, _>(packet, tables, world, entry, link.l3),
            },
            Err(reason) => answer::without_headers(reason),
        }
    }

    /// The same for a packet that this host sends; `None`: it is none of ours.
    pub fn leave(&self, packet: &mut HostPacket, entry: Entry) -> Option<Verdict> {
        let (tables, world) = (&self.tables, &self.world);
        let link = parse::link(packet).ok()?;
        match link.network {
            Network::V4 => leaving::<Ip4, _, _, _>(packet, tables, world, entry, link.l3),
            Network::V6 => leaving::<Ip6, _, _, _>(packet, tables, world, entry, link.l3),
        }
    }
}
