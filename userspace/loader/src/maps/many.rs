//! Many entries at a time: what the first sync writes, and what a start finds in the maps.
//!
//! One command for a few thousand entries costs a third of as many commands for one. Where the kernel has none for
//! many, each entry is written for itself. Order is kept: entries are written in the order in which they stand.

use std::os::fd::AsFd as _;

use aya::maps::{Array, HashMap, Map, MapData};
use tidegate_abi::{
    Address, Backend, BackendId, Frontend, FrontendKey, backend::flags::SERVING, maps as names,
};

use super::{Raw, failed, of};
use crate::{
    DataPath,
    batch::{self, Walk},
    error::{Error, Step as _},
    fault,
    load::missing,
};

/// Entries of one command.
const MANY: usize = 4096;

impl DataPath {
    /// Sets frontends, in this order.
    pub fn set_frontends<A: Address>(
        &mut self,
        entries: &[(FrontendKey<A>, Frontend)],
    ) -> Result<(), Error>
    where
        FrontendKey<A>: bytemuck::Pod,
    {
        let name = of::<A>(names::FRONTENDS);
        for entries in entries.chunks(MANY) {
            let (keys, values): (Vec<_>, Vec<_>) = entries.iter().copied().unzip();
            let done = self.update_many(name, &keys, &values)?;
            for (key, value) in &entries[done..] {
                self.set_frontend(*key, Some(*value))?;
            }
        }
        Ok(())
    }

    /// Removes frontends, in this order; those that are gone already are no fault.
    pub fn remove_frontends<A: Address>(&mut self, keys: &[FrontendKey<A>]) -> Result<(), Error>
    where
        FrontendKey<A>: bytemuck::Pod,
    {
        let name = of::<A>(names::FRONTENDS);
        for keys in keys.chunks(MANY) {
            let done = self.delete_many(name, keys)?;
            for key in &keys[done..] {
                self.set_frontend(*key, None)?;
            }
        }
        Ok(())
    }

    /// Sets backends, in this order; those that begin to serve are counted from zero.
    pub fn set_backends<A: Address>(
        &mut self,
        entries: &[(BackendId, Backend<A>)],
    ) -> Result<(), Error>
    where
        Backend<A>: bytemuck::Pod,
    {
        let name = of::<A>(names::BACKENDS);
        for entries in entries.chunks(MANY) {
            let serving = entries.iter().filter(|it| it.1.flags & SERVING != 0);
            for (id, value) in serving {
                self.clear_if_given(*id, value)?;
            }
            let (keys, values): (Vec<u32>, Vec<_>) =
                entries.iter().map(|(id, value)| (id.0, *value)).unzip();
            let done = self.update_many(name, &keys, &values)?;
            for (id, value) in &entries[done..] {
                self.set_backend(*id, *value)?;
            }
        }
        Ok(())
    }

    /// Writes ranges of slots, each from its first one on.
    pub fn set_tables(&mut self, tables: &[(u32, &[BackendId])]) -> Result<(), Error> {
        let all = tables.iter().flat_map(|(start, ids)| (*start..).zip(*ids));
        let (keys, values): (Vec<u32>, Vec<u32>) = all.map(|(slot, id)| (slot, id.0)).unzip();
        for (keys, values) in keys.chunks(MANY).zip(values.chunks(MANY)) {
            let done = self.update_many(names::SLOTS, keys, values)?;
            for (key, value) in keys.iter().zip(values).skip(done) {
                self.set(names::SLOTS, *key, value)?;
            }
        }
        Ok(())
    }

    /// Writes a range of slots.
    pub fn set_slots(&mut self, start: u32, ids: &[BackendId]) -> Result<(), Error> {
        self.set_tables(&[(start, ids)])
    }

    /// All backends of a family by id; unused entries at the end are cut off.
    pub fn backends<A: Address>(&self) -> Result<Vec<Backend<A>>, Error>
    where
        Backend<A>: bytemuck::Pod + Default + PartialEq,
    {
        let name = of::<A>(names::BACKENDS);
        used_backends(self.map(name)?, name)
    }

    /// The first `len` slots.
    pub fn slots(&self, len: u32) -> Result<Vec<BackendId>, Error> {
        let map = self.map(names::SLOTS)?;
        array(map, names::SLOTS, len, |_| true)
    }

    /// All entries of a hash map; those that vanish meanwhile are left out.
    pub(super) fn entries<K, V>(&self, name: &str) -> Result<Vec<(K, V)>, Error>
    where
        K: bytemuck::Pod,
        V: bytemuck::Pod,
    {
        let mut all = Vec::new();
        let map = self.data(name)?.fd().as_fd();
        let walked = walk(map, |keys, values| {
            all.extend(keys.iter().copied().zip(values.iter().copied()));
            true
        });
        match walked {
            Ok(()) => Ok(all),
            Err(error) if batch::is_unknown(&error) => self.entries_one_by_one(name),
            Err(error) => Err(error).step(failed(name)),
        }
    }

    fn entries_one_by_one<K, V>(&self, name: &str) -> Result<Vec<(K, V)>, Error>
    where
        K: bytemuck::Pod,
        V: bytemuck::Pod,
    {
        let map: HashMap<&MapData, Raw<K>, Raw<V>> =
            self.map(name)?.try_into().step(failed(name))?;
        let all = map.iter().filter_map(Result::ok);
        Ok(all.map(|(key, value)| (key.0, value.0)).collect())
    }

    /// Sets entries; how many of them are set. The others are to be set one at a time.
    fn update_many<K, V>(&self, name: &str, keys: &[K], values: &[V]) -> Result<usize, Error>
    where
        K: bytemuck::Pod,
        V: bytemuck::Pod,
    {
        // Nothing is gained by one; and a test may want to see a death between any two.
        if keys.len() < 2 || fault::is_armed() {
            return Ok(0);
        }
        let (count, map) = (count(keys), self.data(name)?.fd().as_fd());
        let (keys_bytes, values) = (bytemuck::cast_slice(keys), bytemuck::cast_slice(values));
        match batch::update(map, keys_bytes, values, count) {
            Ok(()) => Ok(keys.len()),
            Err((done, error)) if batch::is_unknown(&error) => Ok(done as usize),
            Err((_, error)) => Err(error).step(format_args!("cannot write to map {name}")),
        }
    }

    /// Removes entries; how many of them need not be looked at any more.
    fn delete_many<K: bytemuck::Pod>(&self, name: &str, keys: &[K]) -> Result<usize, Error> {
        let mut done = 0;
        while done + 1 < keys.len() && !fault::is_armed() {
            let left = &keys[done..];
            let map = self.data(name)?.fd().as_fd();
            match batch::delete(map, bytemuck::cast_slice(left), count(left)) {
                Ok(()) => return Ok(keys.len()),
                // The next one is gone already.
                Err((removed, error)) if error.raw_os_error() == Some(libc::ENOENT) => {
                    done += removed as usize + 1;
                }
                Err((removed, error)) if batch::is_unknown(&error) => {
                    return Ok(done + removed as usize);
                }
                Err((_, error)) => {
                    return Err(error).step(format_args!("cannot write to map {name}"));
                }
            }
        }
        Ok(done.min(keys.len()))
    }

    fn data(&self, name: &str) -> Result<&MapData, Error> {
        data(self.map(name)?, name)
    }
}

/// All backends in a map, by id; unused entries at the end are cut off.
pub(crate) fn used_backends<A: Address>(map: &Map, name: &str) -> Result<Vec<Backend<A>>, Error>
where
    Backend<A>: bytemuck::Pod + Default + PartialEq,
{
    let mut used = 0;
    // Ids are handed out from the bottom, so a long run of unused ones is the end.
    let is_used = |backend: &Backend<A>| *backend != Backend::default();
    let mut backends = array(map, name, u32::MAX, |found| {
        let last = found.iter().rposition(is_used);
        used = last.map_or(used, |last| last + 1);
        found.len() - used <= MANY
    })?;
    backends.truncate(used);
    Ok(backends)
}

fn data<'a>(map: &'a Map, name: &str) -> Result<&'a MapData, Error> {
    match map {
        Map::Array(data) | Map::HashMap(data) | Map::LruHashMap(data) => Ok(data),
        _ => Err(missing(name)),
    }
}

/// The first `len` entries of an array, as long as `goes_on` says so of what was read.
fn array<V: bytemuck::Pod>(
    map: &Map,
    name: &str,
    len: u32,
    mut goes_on: impl FnMut(&[V]) -> bool,
) -> Result<Vec<V>, Error> {
    let (mut all, len) = (Vec::new(), len as usize);
    if len == 0 {
        return Ok(all);
    }
    let walked = walk(data(map, name)?.fd().as_fd(), |_: &[u32], values| {
        all.extend_from_slice(values);
        all.len() < len && goes_on(&all)
    });
    match walked {
        Ok(()) => {}
        Err(error) if batch::is_unknown(&error) => {
            let map: Array<&MapData, Raw<V>> = map.try_into().step(failed(name))?;
            all.clear();
            for index in 0..map.len().min(u32::try_from(len).unwrap_or(u32::MAX)) {
                all.push(map.get(&index, 0).step(failed(name))?.0);
                if all.len() % MANY == 0 && !goes_on(&all) {
                    break;
                }
            }
        }
        Err(error) => return Err(error).step(failed(name)),
    }
    let _end = goes_on(&all);
    all.truncate(len);
    Ok(all)
}

fn count<T>(all: &[T]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

/// Shows all entries of a map, many at a time, as long as `show` wants more.
fn walk<K, V>(
    map: std::os::fd::BorrowedFd<'_>,
    mut show: impl FnMut(&[K], &[V]) -> bool,
) -> std::io::Result<()>
where
    K: bytemuck::Pod,
    V: bytemuck::Pod,
{
    let mut keys = vec![<K as bytemuck::Zeroable>::zeroed(); MANY];
    let mut values = vec![<V as bytemuck::Zeroable>::zeroed(); MANY];
    let mut walk = Walk::of(&map);
    while let Some(count) = walk.next(
        bytemuck::cast_slice_mut(&mut keys),
        bytemuck::cast_slice_mut(&mut values),
        MANY as u32,
    )? {
        let count = count as usize;
        if !show(&keys[..count], &values[..count]) {
            break;
        }
    }
    Ok(())
}
