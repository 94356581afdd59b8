//! Single questions to the maps and to what surrounds them, for `tidegate explain`: nothing is written.

use aya::maps::{
    Array, HashMap, MapData, MapError,
    lpm_trie::{Key, LpmTrie},
};
use tidegate_abi::{
    Address, Affinity, AffinityKey, Backend, BackendId, Device, Family, Flow, FlowKey, Fragment,
    FragmentKey, Frontend, FrontendKey, LocalPod, Settings, SocketKey, SocketPeer, SourceRangeKey,
    ask::{Told, route},
    maps as names,
};
use tidegate_datapath::Route;

use crate::{
    DataPath,
    error::{Error, Step as _},
    maps::{Raw, failed, is_absent, of},
    object::ASK,
};

/// Bytes of the shortest frame that the kernel takes, an IPv6 header included, with room for the answer.
const LEAST: usize = 64;
/// Length of an Ethernet header.
const ETHERNET: usize = 14;

impl DataPath {
    /// The flow record of a tuple.
    pub fn flow<A: Address>(&self, key: &FlowKey<A>) -> Result<Option<Flow<A>>, Error>
    where
        FlowKey<A>: bytemuck::Pod,
        Flow<A>: bytemuck::Pod,
    {
        match self.look_up(of::<A>(names::FLOWS), key)? {
            None => self.look_up(of::<A>(names::OPENING), key),
            found => Ok(found),
        }
    }

    /// What is known of a datagram in fragments.
    pub fn fragment<A: Address>(&self, key: &FragmentKey<A>) -> Result<Option<Fragment>, Error>
    where
        FragmentKey<A>: bytemuck::Pod,
    {
        self.look_up(of::<A>(names::FRAGMENTS), key)
    }

    /// What stands behind a dialled address.
    pub fn frontend<A: Address>(&self, key: &FrontendKey<A>) -> Result<Option<Frontend>, Error>
    where
        FrontendKey<A>: bytemuck::Pod,
    {
        self.look_up(of::<A>(names::FRONTENDS), key)
    }

    /// The backend id in a slot; `None`: there is no such slot.
    pub fn slot(&self, index: u32) -> Result<Option<BackendId>, Error> {
        self.at::<BackendId>(names::SLOTS, index)
    }

    /// The backend with an id; `None`: there is no such id.
    pub fn backend<A: Address>(&self, id: BackendId) -> Result<Option<Backend<A>>, Error>
    where
        Backend<A>: bytemuck::Pod,
    {
        self.at(of::<A>(names::BACKENDS), id.0)
    }

    /// Whether a service port with source ranges admits a client.
    pub fn admits<A: Address>(&self, service: u32, client: A) -> Result<bool, Error>
    where
        AffinityKey<A>: bytemuck::Pod,
    {
        let name = of::<A>(names::SOURCE_RANGES);
        let map: LpmTrie<&MapData, Raw<AffinityKey<A>>, u32> =
            self.map(name)?.try_into().step(failed(name))?;
        let SourceRangeKey { prefix_len, .. } = SourceRangeKey::of_client(service, client);
        let key = Key::new(prefix_len, Raw(AffinityKey { service, client }));
        Ok(found(name, map.get(&key, 0))?.is_some())
    }

    /// The backend that a client had last.
    pub fn affinity<A: Address>(&self, key: &AffinityKey<A>) -> Result<Option<Affinity>, Error>
    where
        AffinityKey<A>: bytemuck::Pod,
    {
        self.look_up(of::<A>(names::AFFINITY), key)
    }

    /// The short way to a pod of this node.
    pub fn local_pod<A: Address>(&self, addr: A) -> Result<Option<LocalPod>, Error> {
        self.look_up(of::<A>(names::LOCAL_PODS), &addr)
    }

    /// A device that the data path was told about.
    pub fn device(&self, index: u32) -> Result<Option<Device>, Error> {
        self.look_up(names::DEVICES, &index)
    }

    /// The node's settings.
    pub fn settings(&self) -> Result<Settings, Error> {
        Ok(self.at(names::SETTINGS, 0)?.unwrap_or_default())
    }

    /// The frontend that a socket's peer stands for.
    pub fn socket_peer<A: Address>(
        &self,
        key: &SocketKey<A>,
    ) -> Result<Option<SocketPeer<A>>, Error>
    where
        SocketKey<A>: bytemuck::Pod,
        SocketPeer<A>: bytemuck::Pod,
    {
        self.look_up(of::<A>(names::SOCKETS), key)
    }

    /// Where the routing table sends a packet that entered at a device and now has this tuple, `len` bytes from
    /// the IP header on; and whether a socket of this host would answer such a packet.
    pub fn ask<A: Address>(
        &self,
        device: u32,
        key: &FlowKey<A>,
        len: u32,
    ) -> Result<(Route, bool), Error>
    where
        FlowKey<A>: bytemuck::Pod,
    {
        let kind: [u8; 2] = match A::FAMILY {
            Family::V4 => [0x08, 0x00],
            Family::V6 => [0x86, 0xdd],
        };
        let mut frame = vec![0u8; 12];
        frame.extend_from_slice(&kind);
        frame.extend_from_slice(bytemuck::bytes_of(key));
        frame.extend_from_slice(&len.to_ne_bytes());
        frame.resize(frame.len().max(LEAST), 0);
        let outcome = self.try_run(ASK, &frame, device)?;
        let answer = outcome.frame.get(ETHERNET..ETHERNET + size_of::<Told>());
        let told = answer.map(bytemuck::pod_read_unaligned::<Told>);
        match told {
            Some(told) if outcome.code == 1 => Ok((way(&told), told.is_answered != 0)),
            _ => Err(Error::new(
                "the program that asks for routes did not answer: restart the agent",
            )),
        }
    }

    /// An entry of a hash map.
    fn look_up<K, V>(&self, name: &str, key: &K) -> Result<Option<V>, Error>
    where
        K: bytemuck::Pod,
        V: bytemuck::Pod,
    {
        let map: HashMap<&MapData, Raw<K>, Raw<V>> =
            self.map(name)?.try_into().step(failed(name))?;
        Ok(found(name, map.get(&Raw(*key), 0))?.map(|value| value.0))
    }

    /// An entry of an array; `None`: beyond its end.
    fn at<V: bytemuck::Pod>(&self, name: &str, index: u32) -> Result<Option<V>, Error> {
        let map: Array<&MapData, Raw<V>> = self.map(name)?.try_into().step(failed(name))?;
        match map.get(&index, 0) {
            Err(MapError::OutOfBounds { .. }) => Ok(None),
            result => Ok(found(name, result)?.map(|value| value.0)),
        }
    }
}

fn found<T>(name: &str, result: Result<T, MapError>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error).step(format_args!("cannot read map {name}")),
    }
}

fn way(told: &Told) -> Route {
    match told.route {
        route::KNOWN => Route::Via {
            device: told.device,
            macs: Some(told.macs),
            is_direct: false,
        },
        route::SILENT => Route::Via {
            device: told.device,
            macs: None,
            is_direct: false,
        },
        route::TOO_BIG => Route::TooBig { mtu: told.mtu },
        route::UNREACHABLE => Route::Unreachable,
        _ => Route::None,
    }
}
