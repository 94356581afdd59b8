//! Typed maps.

mod clients;
mod many;

pub(crate) use many::used_backends;

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use tidegate_abi::{
    Address, Affinity, AffinityKey, Backend, BackendId, Counter, Device, Family, Flow, FlowKey,
    Fragment, FragmentKey, Frontend, FrontendKey, Ip4, Ip6, LocalPod, Settings, SocketKey,
    SocketPeer, maps as names,
};

use crate::{
    DataPath,
    error::{Error, Step as _},
    fault,
    load::missing,
    sweep::now_tick,
};

/// A value of `tidegate-abi` as aya wants it.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Raw<T>(pub(crate) T);

// SAFETY: `bytemuck::Pod` promises what `aya::Pod` asks for: no padding, any bytes are valid.
unsafe impl<T: bytemuck::Pod> aya::Pod for Raw<T> {}

/// A flow record with its key.
pub type FlowRecord<A> = (FlowKey<A>, Flow<A>);

pub(crate) fn of<A: Address>(names: [&'static str; 2]) -> &'static str {
    match A::FAMILY {
        Family::V4 => names[0],
        Family::V6 => names[1],
    }
}

pub(crate) fn failed(name: &str) -> String {
    format!("map {name}")
}

impl DataPath {
    pub(crate) fn map(&self, name: &str) -> Result<&Map, Error> {
        self.ebpf.map(name).ok_or_else(|| missing(name))
    }

    /// Sets or removes an entry of a hash map.
    fn put<K, V>(&mut self, name: &str, key: &K, value: Option<&V>) -> Result<(), Error>
    where
        K: bytemuck::Pod,
        V: bytemuck::Pod,
    {
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: HashMap<&mut MapData, Raw<K>, Raw<V>> = map.try_into().step(failed(name))?;
        let result = match value {
            Some(value) => map.insert(&Raw(*key), &Raw(*value), 0),
            None => present(map.remove(&Raw(*key))),
        };
        result.step(format_args!("cannot write to map {name}"))?;
        fault::point();
        Ok(())
    }

    /// Sets an entry of an array.
    fn set<V: bytemuck::Pod>(&mut self, name: &str, index: u32, value: &V) -> Result<(), Error> {
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: Array<&mut MapData, Raw<V>> = map.try_into().step(failed(name))?;
        map.set(index, &Raw(*value), 0)
            .step(format_args!("cannot write to map {name}"))?;
        fault::point();
        Ok(())
    }

    /// Writes the node's settings.
    pub fn set_settings(&mut self, settings: &Settings) -> Result<(), Error> {
        self.set(names::SETTINGS, 0, settings)
    }

    /// Says that routes, neighbours or devices have changed, by another number than before; 0: until further notice
    /// every packet has its route looked up.
    pub fn set_route_epoch(&mut self, epoch: u32) -> Result<(), Error> {
        self.set(names::ROUTE_EPOCH, 0, &epoch)
    }

    /// Says that addresses were just taken away from Services or given to others: from now on, not from the next tick
    /// on, no UDP flow goes on that was opened through them.
    pub fn note_moved(&mut self) -> Result<(), Error> {
        self.set(names::MOVED, 0, &now_tick())
    }

    /// Tells the data path about a device, or that it is gone.
    pub fn set_device(&mut self, index: u32, device: Option<Device>) -> Result<(), Error> {
        self.put(names::DEVICES, &index, device.as_ref())
    }

    /// Sets or removes the short way to a pod.
    pub fn set_local_pod<A: Address>(
        &mut self,
        addr: A,
        pod: Option<LocalPod>,
    ) -> Result<(), Error> {
        self.put(of::<A>(names::LOCAL_PODS), &addr, pod.as_ref())
    }

    /// Sets or removes a frontend.
    pub fn set_frontend<A: Address>(
        &mut self,
        key: FrontendKey<A>,
        value: Option<Frontend>,
    ) -> Result<(), Error>
    where
        FrontendKey<A>: bytemuck::Pod,
    {
        self.put(of::<A>(names::FRONTENDS), &key, value.as_ref())
    }

    /// Sets a backend; one that begins to serve is counted from zero.
    pub fn set_backend<A: Address>(&mut self, id: BackendId, value: Backend<A>) -> Result<(), Error>
    where
        Backend<A>: bytemuck::Pod,
    {
        self.clear_if_given(id, &value)?;
        self.set(of::<A>(names::BACKENDS), id.0, &value)
    }

    /// All frontends of a family.
    pub fn frontends<A: Address>(&self) -> Result<Vec<(FrontendKey<A>, Frontend)>, Error>
    where
        FrontendKey<A>: bytemuck::Pod,
    {
        self.entries(of::<A>(names::FRONTENDS))
    }

    /// All flow records of a family.
    pub fn flows<A: Address>(&self) -> Result<Vec<FlowRecord<A>>, Error>
    where
        FlowKey<A>: bytemuck::Pod,
        Flow<A>: bytemuck::Pod,
    {
        let mut all = self.entries(of::<A>(names::FLOWS))?;
        all.extend(self.entries(of::<A>(names::OPENING))?);
        Ok(all)
    }

    /// Removes flow records; those that are gone already are no fault.
    pub fn remove_flows<A: Address>(&mut self, keys: &[FlowKey<A>]) -> Result<(), Error>
    where
        FlowKey<A>: bytemuck::Pod,
        Flow<A>: bytemuck::Pod,
    {
        let maps = [of::<A>(names::FLOWS), of::<A>(names::OPENING)];
        keys.iter()
            .flat_map(|key| maps.map(|map| (map, key)))
            .try_for_each(|(map, key)| self.put::<FlowKey<A>, Flow<A>>(map, key, None))
    }

    /// All pods of this node that have a short way.
    pub fn local_pods<A: Address>(&self) -> Result<Vec<(A, LocalPod)>, Error> {
        self.entries(of::<A>(names::LOCAL_PODS))
    }

    /// All devices that the data path was told about.
    pub fn known_devices(&self) -> Result<Vec<(u32, Device)>, Error> {
        self.entries(names::DEVICES)
    }

    /// Sums over CPUs, indexed by reason number; without the runs that nobody should see.
    pub fn counters(&self) -> Result<Vec<Counter>, Error> {
        let traces = self.unseen.lock();
        let mut counters = self.sums()?;
        traces.take_off_reasons(&mut counters);
        Ok(counters)
    }

    fn sums(&self) -> Result<Vec<Counter>, Error> {
        let map: PerCpuArray<&MapData, Raw<Counter>> = self
            .map(names::COUNTERS)?
            .try_into()
            .step(failed(names::COUNTERS))?;
        (0..map.len())
            .map(|index| {
                let values = map.get(&index, 0).step("cannot read map counters")?;
                Ok(values.iter().fold(Counter::default(), |sum, cpu| Counter {
                    packets: sum.packets.wrapping_add(cpu.0.packets),
                    bytes: sum.bytes.wrapping_add(cpu.0.bytes),
                }))
            })
            .collect()
    }

    /// Name, entries used and capacity of each map whose entries can be counted.
    pub fn map_use(&self) -> Result<Vec<(String, Option<u32>, u32)>, Error> {
        let mut rows = vec![
            self.used::<FrontendKey<Ip4>, Frontend>(names::FRONTENDS[0])?,
            self.used::<FrontendKey<Ip6>, Frontend>(names::FRONTENDS[1])?,
            self.used::<FlowKey<Ip4>, Flow<Ip4>>(names::FLOWS[0])?,
            self.used::<FlowKey<Ip6>, Flow<Ip6>>(names::FLOWS[1])?,
            self.used::<FlowKey<Ip4>, Flow<Ip4>>(names::OPENING[0])?,
            self.used::<FlowKey<Ip6>, Flow<Ip6>>(names::OPENING[1])?,
            self.used::<AffinityKey<Ip4>, Affinity>(names::AFFINITY[0])?,
            self.used::<AffinityKey<Ip6>, Affinity>(names::AFFINITY[1])?,
            self.used_ranges::<Ip4>()?,
            self.used_ranges::<Ip6>()?,
            self.used::<Ip4, LocalPod>(names::LOCAL_PODS[0])?,
            self.used::<Ip6, LocalPod>(names::LOCAL_PODS[1])?,
            self.used::<SocketKey<Ip4>, SocketPeer<Ip4>>(names::SOCKETS[0])?,
            self.used::<SocketKey<Ip6>, SocketPeer<Ip6>>(names::SOCKETS[1])?,
            self.used::<FragmentKey<Ip4>, Fragment>(names::FRAGMENTS[0])?,
            self.used::<FragmentKey<Ip6>, Fragment>(names::FRAGMENTS[1])?,
            self.used::<u32, Device>(names::DEVICES)?,
        ];
        rows.sort();
        Ok(rows)
    }

    fn used<K, V>(&self, name: &str) -> Result<(String, Option<u32>, u32), Error>
    where
        K: bytemuck::Pod,
        V: bytemuck::Pod,
    {
        let map = self.map(name)?;
        let (Map::HashMap(data) | Map::LruHashMap(data)) = map else {
            return Err(missing(name));
        };
        let capacity = data.info().step(failed(name))?.max_entries();
        let map: HashMap<&MapData, Raw<K>, Raw<V>> = map.try_into().step(failed(name))?;
        let used = map.keys().filter(Result::is_ok).count();
        Ok((name.to_owned(), u32::try_from(used).ok(), capacity))
    }
}

/// What was to be removed may be gone already.
pub(crate) fn present(removed: Result<(), MapError>) -> Result<(), MapError> {
    match removed {
        Err(error) if is_absent(&error) => Ok(()),
        result => result,
    }
}

pub(crate) fn is_absent(error: &MapError) -> bool {
    matches!(error, MapError::KeyNotFound)
        || matches!(error, MapError::SyscallError(call) if call.io_error.raw_os_error() == Some(libc::ENOENT))
}
