//! Affinity records of either family as one type.

use std::net::IpAddr;

use tidegate_abi::{Address, Affinity, AffinityKey};

/// An affinity record; see [`Affinity`] for what its fields mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields are those of `AffinityKey` and `Affinity`"
)]
pub struct Sticky {
    pub service: u32,
    pub client: IpAddr,
    pub opened_ns: u64,
    pub backend: u32,
    pub generation: u32,
}

/// Key and value as the map of family `A` holds them; `None` when the record is of the other family.
pub fn to_abi<A: Address>(sticky: &Sticky) -> Option<(AffinityKey<A>, Affinity)> {
    let Sticky {
        service,
        client,
        opened_ns,
        backend,
        generation,
    } = *sticky;
    let client = A::from_ip(client)?;
    let record = Affinity {
        opened_ns,
        backend,
        generation,
    };
    Some((AffinityKey { service, client }, record))
}

/// The inverse of [`to_abi`].
pub fn from_abi<A: Address>(key: &AffinityKey<A>, record: &Affinity) -> Sticky {
    Sticky {
        service: key.service,
        client: key.client.to_ip(),
        opened_ns: record.opened_ns,
        backend: record.backend,
        generation: record.generation,
    }
}
