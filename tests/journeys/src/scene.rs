//! What the maps of a node hold, whichever floor they are on.
//!
//! Addresses are the standard library's, so that a test writes each thing once for both families.

use std::net::{IpAddr, SocketAddr};

use tidegate_abi::{
    BackendId, Device, Frontend, LocalPod, Pool, Proto, Settings, backend::flags as backend_flags,
};

/// A backend before it is written to the map of its family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Address and port.
    pub at: SocketAddr,
    /// See `tidegate_abi::backend::flags`.
    pub flags: u16,
    /// See `tidegate_abi::Backend::generation`.
    pub generation: u32,
}

/// Maps that a scene can be written to.
pub trait Maps {
    /// The node's settings.
    fn set_settings(&mut self, settings: &Settings);
    /// A device.
    fn set_device(&mut self, index: u32, device: Device);
    /// The short way to a pod.
    fn set_local_pod(&mut self, ip: IpAddr, pod: LocalPod);
    /// A backend.
    fn set_backend(&mut self, id: BackendId, endpoint: Endpoint);
    /// The slots, from the first on.
    fn set_slots(&mut self, slots: &[BackendId]);
    /// A block of clients that a service port admits.
    fn set_source_range(&mut self, service: u32, net: IpAddr, bits: u8);
    /// A frontend; protocol 0 and port 0 stand for the address itself.
    fn set_frontend(&mut self, at: SocketAddr, proto: Proto, frontend: Frontend);
}

/// The content of a node's maps.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The node's settings.
    pub settings: Settings,
    /// Devices by interface index.
    pub devices: Vec<(u32, Device)>,
    /// The pods of this node.
    pub pods: Vec<(IpAddr, LocalPod)>,
    /// The backends; the first has id 1.
    pub backends: Vec<Endpoint>,
    /// The selection tables.
    pub slots: Vec<BackendId>,
    /// The frontends.
    pub frontends: Vec<(SocketAddr, Proto, Frontend)>,
    /// Whom the service ports admit: service, first address, prefix length.
    pub source_ranges: Vec<(u32, IpAddr, u8)>,
}

impl Scene {
    /// Adds a backend that serves; it is local if a pod of this node has its address.
    pub fn backend(&mut self, at: SocketAddr) -> BackendId {
        let local = self.pods.iter().any(|(ip, _)| *ip == at.ip());
        let local = if local { backend_flags::LOCAL } else { 0 };
        self.backends.push(Endpoint {
            at,
            flags: backend_flags::SERVING | local,
            generation: 1,
        });
        BackendId(self.backends.len() as u32)
    }

    /// A backend that was added.
    pub fn backend_mut(&mut self, id: BackendId) -> &mut Endpoint {
        &mut self.backends[id.0 as usize - 1]
    }

    /// Adds a selection table.
    pub fn pool(&mut self, backends: &[BackendId]) -> Pool {
        let start = self.slots.len() as u32;
        self.slots.extend(backends);
        Pool {
            start,
            len: backends.len() as u32,
        }
    }

    /// Adds a frontend, or replaces it, with a service port of its own and two tables: all of these
    /// backends, and those of them that are on this node.
    pub fn frontend(&mut self, at: SocketAddr, proto: Proto, flags: u32, backends: &[BackendId]) {
        let is_local =
            |id: &BackendId| self.backends[id.0 as usize - 1].flags & backend_flags::LOCAL != 0;
        let here: Vec<_> = backends.iter().copied().filter(is_local).collect();
        let (cluster, local) = (self.pool(backends), self.pool(&here));
        self.frontends
            .retain(|(other, other_proto, _)| (*other, *other_proto) != (at, proto));
        let service = 1 + self.frontends.len() as u32;
        let frontend = Frontend {
            service,
            flags,
            cluster,
            local,
            affinity_seconds: 0,
        };
        self.frontends.push((at, proto, frontend));
        self.mark_members();
    }

    /// A frontend that was added.
    ///
    /// # Panics
    /// When it was not.
    pub fn frontend_mut(&mut self, at: SocketAddr, proto: Proto) -> &mut Frontend {
        let found = self
            .frontends
            .iter_mut()
            .find(|(other, other_proto, _)| (*other, *other_proto) == (at, proto));
        &mut found.unwrap_or_else(|| panic!("no frontend {at}")).2
    }

    /// Notes on each backend of which tables it is a member, as the agent does.
    fn mark_members(&mut self) {
        for endpoint in &mut self.backends {
            endpoint.flags &= !(backend_flags::IN_CLUSTER | backend_flags::IN_LOCAL);
        }
        for (_, _, frontend) in &self.frontends {
            let tables = [
                (frontend.cluster, backend_flags::IN_CLUSTER),
                (frontend.local, backend_flags::IN_LOCAL),
            ];
            for (pool, member) in tables {
                let start = pool.start as usize;
                for id in &self.slots[start..start + pool.len as usize] {
                    self.backends[id.0 as usize - 1].flags |= member;
                }
            }
        }
    }

    /// Writes all of it: what is named before what names it.
    pub fn write(&self, maps: &mut impl Maps) {
        maps.set_settings(&self.settings);
        for (index, device) in &self.devices {
            maps.set_device(*index, *device);
        }
        for (ip, pod) in &self.pods {
            maps.set_local_pod(*ip, *pod);
        }
        for (id, endpoint) in (1..).zip(&self.backends) {
            maps.set_backend(BackendId(id), *endpoint);
        }
        maps.set_slots(&self.slots);
        for (service, net, bits) in &self.source_ranges {
            maps.set_source_range(*service, *net, *bits);
        }
        for (at, proto, frontend) in &self.frontends {
            maps.set_frontend(*at, *proto, *frontend);
        }
    }
}
