//! Backend ids of one family: which (service port, address, port) has which id, and which ids may be given
//! out. Service ports do not share ids: a backend that leaves one of them must be stale there (rule
//! 5.2.2), whoever else still uses the pod.
//!
//! An id that stops serving grows its generation at once, and again when it is given out, so that no
//! flow ever takes a new backend for the old one.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    net::IpAddr,
};

use tidegate_abi::{Address, Backend, BackendId, Port, backend::flags};

use super::{image::FamilyImage, ranges::REST};
use crate::desired::Target;

#[derive(Debug)]
pub(super) struct Backends<A> {
    ids: HashMap<(u32, A, Port), BackendId>,
    /// The service port of each id in `ids`.
    owners: HashMap<BackendId, u32>,
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

/// Some table of its service port names the backend.
const LISTED: u16 = flags::IN_CLUSTER | flags::IN_LOCAL;

impl<A: Address> Backends<A> {
    /// Takes over the backends that serve. Ids that some table names rest, even if they do not.
    pub(super) fn adopt(
        half: &FamilyImage<A>,
        limit: u32,
        named: &HashMap<BackendId, u32>,
    ) -> Self {
        let (mut ids, mut owners) = (HashMap::new(), HashMap::new());
        let (mut free, mut resting) = (VecDeque::new(), VecDeque::new());
        for (id, backend) in (0..limit).zip(&half.backends).skip(1) {
            let id = BackendId(id);
            match named.get(&id) {
                // Not named by any table: retired by the first plan, since nobody uses it.
                None if backend.flags & flags::SERVING != 0 => {}
                None => free.push_back(id),
                Some(&service) if backend.flags & flags::SERVING != 0 => {
                    let key = (service, backend.addr, backend.port);
                    if let Entry::Vacant(entry) = ids.entry(key) {
                        entry.insert(id);
                        owners.insert(id, service);
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
        self.ids.get(&(service, target.addr, target.port)).copied()
    }

    /// The service port whose backend this is, as long as it serves.
    pub(super) fn owner(&self, id: BackendId) -> Option<u32> {
        self.owners.get(&id).copied()
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
        self.ids.insert((service, target.addr, target.port), id);
        self.owners.insert(id, service);
        Some((id, backend))
    }

    /// Lets go of all backends that serve and that nobody uses.
    pub(super) fn retire(
        &mut self,
        half: &mut FamilyImage<A>,
        used: impl Fn(BackendId) -> bool,
    ) -> Retired<A> {
        let (mut unlisted, mut retired) = (Vec::new(), Vec::new());
        let mut services = HashSet::new();
        for (id, backend) in (0..).map(BackendId).zip(&mut half.backends).skip(1) {
            if backend.flags & flags::SERVING == 0 || used(id) {
                continue;
            }
            let service = self.owners.remove(&id);
            if let Some(service) = service {
                self.ids.remove(&(service, backend.addr, backend.port));
            }
            services.insert(service);
            if backend.flags & LISTED != 0 {
                backend.flags &= !LISTED;
                unlisted.push((id, *backend));
            }
            backend.flags &= !flags::SERVING;
            backend.generation = backend.generation.wrapping_add(1);
            retired.push((id, *backend));
            if id.0 < self.limit {
                self.resting.push_back((self.turn, id));
            }
        }
        Retired {
            unlisted,
            retired,
            services,
        }
    }
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

/// Grows the generation of all backends that serve at an address.
pub(super) fn bump<A: Address>(half: &mut FamilyImage<A>, addr: A) -> Vec<(BackendId, Backend<A>)> {
    let backends = (0..).map(BackendId).zip(&mut half.backends).skip(1);
    let here =
        backends.filter(|(_, backend)| backend.addr == addr && backend.flags & flags::SERVING != 0);
    here.map(|(id, backend)| {
        backend.generation = backend.generation.wrapping_add(1);
        (id, *backend)
    })
    .collect()
}

/// The address and port of a backend that serves.
pub(super) fn key<A: Address>(half: &FamilyImage<A>, id: BackendId) -> Option<(IpAddr, u16)> {
    let backend = half
        .backend(id)
        .filter(|backend| backend.flags & flags::SERVING != 0)?;
    Some((backend.addr.to_ip(), backend.port.get()))
}
