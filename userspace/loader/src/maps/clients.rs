//! Maps that are about clients: whom a service port lets in, and whom it served before.

use aya::maps::{
    Map, MapData,
    lpm_trie::{Key, LpmTrie},
};
use tidegate_abi::{Address, Affinity, AffinityKey, SourceRangeKey, maps as names};

use super::{Raw, failed, of, present};
use crate::{
    DataPath,
    error::{Error, Step as _},
    fault,
    load::missing,
};

/// What follows the prefix length in the key of a source range: the kernel side has the same.
type Ranged<A> = Raw<AffinityKey<A>>;

impl DataPath {
    /// Lets clients of a service port in, or not any more.
    pub fn set_source_range<A: Address>(
        &mut self,
        key: SourceRangeKey<A>,
        admitted: bool,
    ) -> Result<(), Error>
    where
        AffinityKey<A>: bytemuck::Pod,
    {
        let name = of::<A>(names::SOURCE_RANGES);
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: LpmTrie<&mut MapData, Ranged<A>, u32> = map.try_into().step(failed(name))?;
        let SourceRangeKey {
            prefix_len,
            service,
            addr: client,
        } = key;
        let key = Key::new(prefix_len, Raw(AffinityKey { service, client }));
        let result = if admitted {
            map.insert(&key, &1, 0)
        } else {
            present(map.remove(&key))
        };
        result.step(format_args!("cannot write to map {name}"))?;
        fault::point();
        Ok(())
    }

    /// Whom the service ports let in.
    pub fn source_ranges<A: Address>(&self) -> Result<Vec<SourceRangeKey<A>>, Error>
    where
        AffinityKey<A>: bytemuck::Pod,
    {
        let name = of::<A>(names::SOURCE_RANGES);
        let map: LpmTrie<&MapData, Ranged<A>, u32> =
            self.map(name)?.try_into().step(failed(name))?;
        let range = |key: Key<Ranged<A>>| SourceRangeKey {
            prefix_len: key.prefix_len(),
            service: key.data().0.service,
            addr: key.data().0.client,
        };
        let keys = map.keys().map(|key| key.map(range));
        keys.collect::<Result<_, _>>().step(failed(name))
    }

    /// Which backend each client with session affinity had last.
    pub fn affinities<A: Address>(&self) -> Result<Vec<(AffinityKey<A>, Affinity)>, Error>
    where
        AffinityKey<A>: bytemuck::Pod,
    {
        self.entries(of::<A>(names::AFFINITY))
    }

    /// The row of [`DataPath::map_use`].
    pub(super) fn used_ranges<A: Address>(&self) -> Result<(String, Option<u32>, u32), Error>
    where
        AffinityKey<A>: bytemuck::Pod,
    {
        let name = of::<A>(names::SOURCE_RANGES);
        let Map::LpmTrie(data) = self.map(name)? else {
            return Err(missing(name));
        };
        let capacity = data.info().step(failed(name))?.max_entries();
        let used = self.source_ranges::<A>()?.len();
        Ok((name.to_owned(), u32::try_from(used).ok(), capacity))
    }
}
