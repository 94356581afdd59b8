//! What the ids in the maps mean, for those who read maps without asking the reconcile loop.
//!
//! Counters, events and flows carry ids of service ports and backends. The loop publishes a snapshot after
//! each plan; metrics, `monitor` and `top` look names up there, so that neither they nor the loop wait.
//! A backend that has left its service port keeps its name until the id is given to another one: flows
//! to it may live on, and their counters should not lose their name first.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use tidegate_abi::{Address, Backend, BackendId, Family};
use tidegate_control::{Compiled, Planner, PortKey, plan::FamilyImage};
use tokio::sync::watch;

/// How others see what the loop publishes: `reader.borrow().names` is the newest snapshot.
pub(crate) type Reader = watch::Receiver<Published>;

/// What the loop publishes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    /// The maps match the sources.
    pub(crate) is_synced: bool,
    /// Lines in `status` that say what is wrong.
    pub(crate) problems: usize,
    pub(crate) names: Arc<Names>,
}

/// Names of all ids at one moment.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Service ports by id; 0 is nobody's.
    pub(crate) services: HashMap<u32, ServiceName>,
    /// By backend id; ids that were never given out have no name.
    backends4: Vec<Option<BackendName>>,
    backends6: Vec<Option<BackendName>>,
}

/// A service port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServiceName {
    pub(crate) key: Arc<PortKey>,
    /// As clients dial it.
    pub(crate) port: u16,
    /// Endpoints that are ready, and all of them.
    pub(crate) ready: usize,
    pub(crate) total: usize,
}

/// A backend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BackendName {
    pub(crate) address: SocketAddr,
    /// The id of its service port; 0: an earlier agent left it, nobody knows.
    pub(crate) service: u32,
    /// New flows may go there.
    pub(crate) serves: bool,
}

impl Names {
    /// The names after a plan. `old`: what was published before it.
    pub(crate) fn new(planner: &Planner, compiled: &Compiled, old: &Self) -> Self {
        let services = compiled.ports.iter().filter_map(|port| {
            let name = ServiceName {
                key: Arc::clone(&port.key),
                port: port.port,
                ready: port.endpoints.iter().filter(|it| it.ready).count(),
                total: port.endpoints.len(),
            };
            Some((planner.service_id(&port.key)?, name))
        });
        let image = planner.image();
        Self {
            services: services.collect(),
            backends4: backends(&image.v4, planner, &old.backends4),
            backends6: backends(&image.v6, planner, &old.backends6),
        }
    }

    /// The service port with this id.
    pub(crate) fn service(&self, id: u32) -> Option<&ServiceName> {
        self.services.get(&id)
    }

    /// All backends of a family that have a name, by id.
    pub(crate) fn backends(&self, family: Family) -> impl Iterator<Item = (u32, &BackendName)> {
        let all = (0_u32..).zip(self.of(family));
        all.filter_map(|(id, name)| Some((id, name.as_ref()?)))
    }

    fn of(&self, family: Family) -> &[Option<BackendName>] {
        match family {
            Family::V4 => &self.backends4,
            Family::V6 => &self.backends6,
        }
    }
}

fn backends<A: Address>(
    image: &FamilyImage<A>,
    planner: &Planner,
    old: &[Option<BackendName>],
) -> Vec<Option<BackendName>> {
    let all = (0_u32..).map(BackendId).zip(&image.backends);
    let names = all.enumerate().map(|(index, (id, backend))| {
        let address = address(backend)?;
        let owner = planner.backend_owner(A::FAMILY, id);
        let before = old.get(index).copied().flatten();
        let kept = before.filter(|it| it.address == address);
        Some(BackendName {
            address,
            service: owner.or(kept.map(|it| it.service)).unwrap_or(0),
            serves: backend.serves(backend.generation),
        })
    });
    names.collect()
}

/// `None`: the id was never given out.
fn address<A: Address>(backend: &Backend<A>) -> Option<SocketAddr> {
    let is_used = backend.addr != A::default();
    is_used.then(|| SocketAddr::new(backend.addr.to_ip(), backend.port.get()))
}

#[cfg(test)]
mod tests;
