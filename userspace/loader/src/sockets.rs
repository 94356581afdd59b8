//! UDP sockets of host processes whose backend has gone, found beside the loop that writes maps: with
//! descriptors of its own.

use std::os::fd::AsFd as _;

use aya::maps::{Array, HashMap, Map, MapData};
use tidegate_abi::{
    Address, Backend, Family, Proto, SocketKey, SocketPeer,
    maps::{BACKENDS, SOCKETS},
};

use crate::{
    DataPath,
    error::{Error, Step as _},
    load::missing,
    maps::{Raw, present},
};

const FAILED: &str = "the maps that tell which sockets have which backends";

/// The maps that tell which sockets were translated, and to what.
#[derive(Debug)]
pub struct Sockets {
    sockets: [Map; 2],
    backends: [Map; 2],
}

impl DataPath {
    /// What a thread needs to find sockets whose backend has gone.
    pub fn sockets(&self) -> Result<Sockets, Error> {
        let map = |name: &str| -> Result<Map, Error> {
            let (Map::LruHashMap(data) | Map::Array(data)) = self.map(name)? else {
                return Err(missing(name));
            };
            let fd = data.fd().as_fd().try_clone_to_owned().step(name)?;
            Map::from_map_data(MapData::from_fd(fd).step(name)?).step(name)
        };
        Ok(Sockets {
            sockets: [map(SOCKETS[0])?, map(SOCKETS[1])?],
            backends: [map(BACKENDS[0])?, map(BACKENDS[1])?],
        })
    }
}

impl Sockets {
    /// The UDP sockets that were given a backend which does not serve any more, or is another one now.
    pub fn stale<A: Address>(&self) -> Result<Vec<SocketKey<A>>, Error>
    where
        SocketKey<A>: bytemuck::Pod,
        SocketPeer<A>: bytemuck::Pod,
        Backend<A>: bytemuck::Pod,
    {
        let serves = self.serves()?;
        let sockets: HashMap<&MapData, Raw<SocketKey<A>>, Raw<SocketPeer<A>>> =
            side::<A, Map>(&self.sockets).try_into().step(FAILED)?;
        // An entry that vanishes meanwhile is of no interest.
        let entries = sockets.iter().filter_map(Result::ok);
        let stale = entries.filter(|(key, peer)| key.0.proto == Proto::UDP && !serves(&peer.0));
        Ok(stale.map(|(key, _)| key.0).collect())
    }

    /// Removes what is known of a socket, unless it has a backend again.
    pub fn forget<A: Address>(&mut self, key: &SocketKey<A>) -> Result<(), Error>
    where
        SocketKey<A>: bytemuck::Pod,
        SocketPeer<A>: bytemuck::Pod,
        Backend<A>: bytemuck::Pod,
    {
        let index = usize::from(A::FAMILY == Family::V6);
        let sockets: HashMap<&MapData, Raw<SocketKey<A>>, Raw<SocketPeer<A>>> =
            (&self.sockets[index]).try_into().step(FAILED)?;
        let Ok(peer) = sockets.get(&Raw(*key), 0) else {
            return Ok(());
        };
        if self.serves()?(&peer.0) {
            return Ok(());
        }
        let mut sockets: HashMap<&mut MapData, Raw<SocketKey<A>>, Raw<SocketPeer<A>>> =
            (&mut self.sockets[index]).try_into().step(FAILED)?;
        present(sockets.remove(&Raw(*key))).step(FAILED)
    }

    /// Tells whether what a socket was given is still there.
    fn serves<A: Address>(&self) -> Result<impl Fn(&SocketPeer<A>) -> bool, Error>
    where
        Backend<A>: bytemuck::Pod,
    {
        let backends: Array<&MapData, Raw<Backend<A>>> =
            side::<A, Map>(&self.backends).try_into().step(FAILED)?;
        Ok(move |peer: &SocketPeer<A>| {
            let backend = backends.get(&peer.backend, 0);
            backend.is_ok_and(|backend| backend.0.serves(peer.generation))
        })
    }
}

fn side<A: Address, T>([v4, v6]: &[T; 2]) -> &T {
    match A::FAMILY {
        Family::V4 => v4,
        Family::V6 => v6,
    }
}
