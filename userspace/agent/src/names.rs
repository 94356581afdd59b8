//! What the ids in the maps mean, for those who read maps without asking the reconcile loop.
//!
//! Counters, events and flows carry ids of service ports and backends. The loop publishes a snapshot after
//! each plan, which shares with the one before whatever did not change; metrics, `monitor` and `top` look names up there, so that neither they nor the loop wait.
//! A backend that has left its service port keeps its name until the id is given to another one: flows
//! to it may live on, and their counters should not lose their name first.

mod chunks;

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use tidegate_abi::{Address, Backend, BackendId, Family};
use tidegate_control::{
    Compiler, ObjectKey, Plan, Planner, PortKey, ServicePort, Write, plan::FamilyImage,
};
use tokio::sync::watch;

use chunks::Chunks;

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

/// Names of all ids at one moment. A copy costs little.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Service ports by id; 0 is nobody's.
    services: Chunks<ServiceName>,
    /// By backend id; ids that were never given out have no name.
    backends4: Chunks<BackendName>,
    backends6: Chunks<BackendName>,
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
    /// The names after the first plan. `old`: what was published before it.
    pub(crate) fn of_all(planner: &Planner, compiler: &Compiler, old: &Self) -> Self {
        let mut names = Self::default();
        for port in compiler.ports() {
            names.name_service(planner, port);
        }
        let image = planner.image();
        name_backends(&image.v4, planner, &old.backends4, &mut names.backends4);
        name_backends(&image.v6, planner, &old.backends6, &mut names.backends6);
        names
    }

    /// Takes in what a plan has changed, and what is told of these Services by now.
    pub(crate) fn follow(
        &mut self,
        planner: &Planner,
        compiler: &Compiler,
        services: &BTreeSet<ObjectKey>,
        plan: &Plan,
    ) {
        for id in &plan.gone_services {
            self.services.set(*id, None);
        }
        let placed = plan.new_services.iter();
        let placed = placed.filter_map(|id| compiler.port(planner.service_name(*id)?));
        for port in placed {
            self.name_service(planner, port);
        }
        for port in services.iter().flat_map(|key| compiler.ports_at(key)) {
            self.name_service(planner, port);
        }
        for write in &plan.writes {
            match write {
                Write::Backend4(id, it) => name_backend(planner, *id, it, &mut self.backends4),
                Write::Backend6(id, it) => name_backend(planner, *id, it, &mut self.backends6),
                _ => {}
            }
        }
    }

    /// The service port with this id.
    pub(crate) fn service(&self, id: u32) -> Option<&ServiceName> {
        self.services.get(id)
    }

    /// All service ports, by id.
    pub(crate) fn services(&self) -> impl Iterator<Item = (u32, &ServiceName)> {
        self.services.iter()
    }

    /// How many service ports there are.
    pub(crate) fn service_count(&self) -> usize {
        self.services.len()
    }

    /// All backends of a family that have a name, by id.
    pub(crate) fn backends(&self, family: Family) -> impl Iterator<Item = (u32, &BackendName)> {
        match family {
            Family::V4 => self.backends4.iter(),
            Family::V6 => self.backends6.iter(),
        }
    }

    fn name_service(&mut self, planner: &Planner, port: &ServicePort) {
        // One that does not fit has no id.
        if let Some(id) = planner.service_id(&port.key) {
            let name = ServiceName {
                key: Arc::clone(&port.key),
                port: port.port,
                ready: port.endpoints.iter().filter(|it| it.ready).count(),
                total: port.endpoints.len(),
            };
            self.services.set(id, Some(name));
        }
    }
}

#[cfg(test)]
impl FromIterator<(u32, ServiceName)> for Names {
    fn from_iter<I: IntoIterator<Item = (u32, ServiceName)>>(all: I) -> Self {
        let mut names = Self::default();
        for (id, name) in all {
            names.services.set(id, Some(name));
        }
        names
    }
}

fn name_backends<A: Address>(
    image: &FamilyImage<A>,
    planner: &Planner,
    old: &Chunks<BackendName>,
    new: &mut Chunks<BackendName>,
) {
    *new = old.clone();
    for (id, backend) in (0_u32..).map(BackendId).zip(&image.backends) {
        name_backend(planner, id, backend, new);
    }
}

/// One that has left its service port keeps its name.
fn name_backend<A: Address>(
    planner: &Planner,
    id: BackendId,
    backend: &Backend<A>,
    names: &mut Chunks<BackendName>,
) {
    let name = address(backend).map(|address| {
        let owner = planner.backend_owner(A::FAMILY, id);
        let kept = names.get(id.0).filter(|it| it.address == address);
        BackendName {
            address,
            service: owner.or(kept.map(|it| it.service)).unwrap_or(0),
            serves: backend.serves(backend.generation),
        }
    });
    names.set(id.0, name);
}

/// `None`: the id was never given out.
fn address<A: Address>(backend: &Backend<A>) -> Option<SocketAddr> {
    let is_used = backend.addr != A::default();
    is_used.then(|| SocketAddr::new(backend.addr.to_ip(), backend.port.get()))
}

#[cfg(test)]
mod tests;
