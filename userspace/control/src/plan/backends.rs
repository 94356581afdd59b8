//! Backend ids of one family: which (service port, address, port) has which id, and which ids may be given
//! out. Service ports do not share ids: a backend that leaves one of them must be stale there (rule
//! 5.2.2), whoever else still uses the pod.
//!
//! An id that stops serving grows its generation at once, and again when it is given out, so that no
//! flow ever takes a new backend for the old one.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque, btree_map::Entry},
    net::IpAddr,
};

use tidegate_abi::{Address, Backend, BackendId, Port, backend::flags};

use super::{image::FamilyImage, ranges::REST};
use crate::desired::Target;

#[derive(Debug)]
pub(super) struct Backends<A> {
    /// By address first, so that all that serve at an address are neighbours.
    ids: BTreeMap<(A, Port, u32), BackendId>,
    /// The service port of each id in `ids`, by id; 0: nobody's.
    owners: Vec<u32>,
    free: VecDeque<BackendId>,
    resting: VecDeque<(u64, BackendId)>,
    /// The first id that was never looked at, and the number of ids.
    fresh: u32,
    limit: u32,
    turn: u64,
}

/// Backends that are let go.
pub(super) struct Retired<A> {
    /// Before the frontends move: no new flow of a client with affinity may go to them any more.
    pub(super) unlisted: Vec<(BackendId, Backend<A>)>,
    /// At the end: they do not serve any more.
    pub(super) retired: Vec<(BackendId, Backend<A>)>,
    /// Whose they were; `None`: nobody knows.
    pub(super) services: HashSet<Option<u32>>,
}

/// No service port has this id, see [`super::services`].
pub(super) const NOBODY: u32 = 0;

/// Some table of its service port names the backend.
const LISTED: u16 = flags::IN_CLUSTER | flags::IN_LOCAL;

impl<A: Address> Backends<A> {
    /// Takes over the backends that serve. Ids that some table names rest, even if they do not.
    pub(super) fn adopt(
        half: &FamilyImage<A>,
        limit: u32,
        named: &HashMap<BackendId, u32>,
    ) -> Self {
        let (mut ids, mut owners) = (BTreeMap::new(), Vec::new());
        let (mut free, mut resting) = (VecDeque::new(), VecDeque::new());
        for (id, backend) in (0..limit).zip(&half.backends).skip(1) {
            let id = BackendId(id);
            match named.get(&id) {
                // Not named by any table: retired by the first plan, since nobody uses it.
                None if backend.flags & flags::SERVING != 0 => {}
                None => free.push_back(id),
                Some(&service) if backend.flags & flags::SERVING != 0 => {
                    let key = (backend.addr, backend.port, service);
                    if let Entry::Vacant(entry) = ids.entry(key) {
                        entry.insert(id);
                        set_owner(&mut owners, id, service);
                    }
                }
                Some(_) => resting.push_back((1, id)),
            }
        }
        let known = u32::try_from(half.backends.len()).unwrap_or(limit);
        Self {
            ids,
            owners,
            free,
            resting,
            fresh: known.clamp(1, limit.max(1)),
            limit,
            turn: 0,
        }
    }

    /// A new plan begins: ids that have rested long enough may be given out.
    pub(super) fn begin(&mut self, turn: u64) {
        self.turn = turn;
        while let Some((_, id)) = self
            .resting
            .pop_front_if(|(since, _)| *since + REST <= turn)
        {
            self.free.push_back(id);
        }
    }

    pub(super) fn id(&self, service: u32, target: &Target<A>) -> Option<BackendId> {
        self.ids.get(&(target.addr, target.port, service)).copied()
    }

    /// The service port whose backend this is, as long as it serves.
    pub(super) fn owner(&self, id: BackendId) -> Option<u32> {
        let owner = self.owners.get(id.0 as usize).copied();
        owner.filter(|&service| service != NOBODY)
    }

    /// How many new backends there is room for.
    pub(super) fn room(&self) -> usize {
        self.free.len() + self.limit.saturating_sub(self.fresh) as usize
    }

    /// Gives out an id to a backend that has none.
    pub(super) fn give(
        &mut self,
        service: u32,
        target: &Target<A>,
        flags: u16,
        half: &mut FamilyImage<A>,
    ) -> Option<(BackendId, Backend<A>)> {
        let id = match self.free.pop_front() {
            Some(id) => id,
            None if self.fresh < self.limit => {
                self.fresh += 1;
                BackendId(self.fresh - 1)
            }
            None => return None,
        };
        let generation = half
            .backend(id)
            .map_or(0, |old| old.generation)
            .wrapping_add(1);
        let backend = Backend {
            addr: target.addr,
            port: target.port,
            flags,
            generation,
        };
        half.set_backend(id, backend);
        self.ids.insert((target.addr, target.port, service), id);
        set_owner(&mut self.owners, id, service);
        Some((id, backend))
    }

    /// The ids of all service ports that have a backend at this address and port.
    pub(super) fn at(&self, (addr, port): (A, Port)) -> impl Iterator<Item = BackendId> {
        let all = self.ids.range((addr, port, 0)..=(addr, port, u32::MAX));
        all.map(|(_, id)| *id)
    }

    /// The ids of all service ports that have a backend at this address.
    fn at_address(&self, addr: A) -> impl Iterator<Item = BackendId> {
        let (first, last) = (Port::new(0), Port::new(u16::MAX));
        let all = self.ids.range((addr, first, 0)..=(addr, last, u32::MAX));
        all.map(|(_, id)| *id)
    }

    /// Lets go of those of these backends that serve.
    pub(super) fn retire(
        &mut self,
        half: &mut FamilyImage<A>,
        gone: impl IntoIterator<Item = BackendId>,
    ) -> Retired<A> {
        let mut all = Retired {
            unlisted: Vec::new(),
            retired: Vec::new(),
            services: HashSet::new(),
        };
        for id in gone {
            let backend = half.backends.get_mut(id.0 as usize);
            let Some(backend) = backend.filter(|it| it.flags & flags::SERVING != 0) else {
                continue;
            };
            let service = self.owner(id);
            let key = (backend.addr, backend.port, service.unwrap_or(NOBODY));
            if self.ids.get(&key) == Some(&id) {
                self.ids.remove(&key);
            }
            if let Some(owner) = self.owners.get_mut(id.0 as usize) {
                *owner = NOBODY;
            }
            all.services.insert(service);
            if backend.flags & LISTED != 0 {
                backend.flags &= !LISTED;
                all.unlisted.push((id, *backend));
            }
            backend.flags &= !flags::SERVING;
            backend.generation = backend.generation.wrapping_add(1);
            all.retired.push((id, *backend));
            if id.0 < self.limit {
                self.resting.push_back((self.turn, id));
            }
        }
        all
    }

    /// Grows the generation of all backends that serve at an address.
    pub(super) fn bump(&self, half: &mut FamilyImage<A>, addr: A) -> Vec<(BackendId, Backend<A>)> {
        let mut ids: Vec<BackendId> = self.at_address(addr).collect();
        ids.sort_unstable();
        let bumped = ids.into_iter().filter_map(|id| {
            let backend = half.backends.get_mut(id.0 as usize)?;
            backend.generation = backend.generation.wrapping_add(1);
            Some((id, *backend))
        });
        bumped.collect()
    }
}

fn set_owner(owners: &mut Vec<u32>, id: BackendId, service: u32) {
    let index = id.0 as usize;
    if index >= owners.len() {
        owners.resize(index + 1, NOBODY);
    }
    owners[index] = service;
}

/// All backends that serve, by id; id 0 is nobody's.
pub(super) fn serving<A: Address>(half: &FamilyImage<A>) -> impl Iterator<Item = BackendId> {
    let all = (0..).map(BackendId).zip(&half.backends).skip(1);
    all.filter(|(_, backend)| backend.flags & flags::SERVING != 0)
        .map(|(id, _)| id)
}

/// Changes the flags of a backend that serves. Its flows go on: neither a change of place nor one of
/// tables ends them.
pub(super) fn set_flags<A: Address>(
    half: &mut FamilyImage<A>,
    id: BackendId,
    flags: u16,
) -> Option<(BackendId, Backend<A>)> {
    let backend = half.backends.get_mut(id.0 as usize)?;
    if backend.flags == flags {
        return None;
    }
    backend.flags = flags;
    Some((id, *backend))
}

/// The address and port of a backend that serves.
pub(super) fn key<A: Address>(half: &FamilyImage<A>, id: BackendId) -> Option<(IpAddr, u16)> {
    let backend = half
        .backend(id)
        .filter(|backend| backend.flags & flags::SERVING != 0)?;
    Some((backend.addr.to_ip(), backend.port.get()))
}
