//! The journey on the host: bytes for a packet, hash maps for maps, a made-up world.
//!
//! The packet and the way from hook to door are those of `tidegate-explain`; here are the maps and the world.

mod live;
mod tables;
mod watched;
mod world;

pub use tables::{Family, HostTables, Side};
pub use tidegate_explain::{Held, HostPacket};
pub use watched::Watched;
pub use world::HostWorld;

use tidegate_datapath::{Entry, Verdict};
use tidegate_explain::run;

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
        run::journey(packet, &self.tables, &self.world, entry)
    }

    /// The same for a packet that this host sends; `None`: it is none of ours.
    pub fn leave(&self, packet: &mut HostPacket, entry: Entry) -> Option<Verdict> {
        run::leave(packet, &self.tables, &self.world, entry)
    }
}
