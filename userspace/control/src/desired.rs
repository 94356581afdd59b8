//! Service ports to what the maps should hold: frontends, their flags, and the backends behind them.
//!
//! No ids and no slots yet: those depend on what the maps hold now, which is [`crate::plan`]'s matter.

mod block;
pub(crate) mod frontends;
pub(crate) mod markers;

use std::sync::Arc;

use tidegate_abi::{Address, FrontendKey, Ip4, Ip6, Port, frontend::flags::SOURCE_RANGES};

use crate::{
    model::{PortKey, ServicePort},
    node::NodeFacts,
    problem::{Origin, Problem},
};
pub use block::Block;
pub(crate) use block::canonical;
use frontends::Owners;

/// What the maps should hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Desired {
    /// For the IPv4 maps.
    pub v4: DesiredFamily<Ip4>,
    /// For the IPv6 maps.
    pub v6: DesiredFamily<Ip6>,
}

/// What the maps of one family should hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DesiredFamily<A> {
    /// The service ports, oldest Service first. A frontend belongs to one of them only.
    pub ports: Vec<Arc<DesiredPort<A>>>,
    /// Service addresses that are known without a port, sorted, each once, with the flags of their
    /// entries: all clusterIPs (rule 2.4.9), and load-balancer addresses that answer pings.
    pub markers: Vec<(A, u32)>,
}

/// How what the maps should hold differs from what they should hold before.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Delta {
    /// In the IPv4 maps.
    pub v4: FamilyDelta<Ip4>,
    /// In the IPv6 maps.
    pub v6: FamilyDelta<Ip6>,
}

/// The same for one family.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FamilyDelta<A> {
    /// Service ports that are new or other than before, oldest Service first.
    pub ports: Vec<Arc<DesiredPort<A>>>,
    /// Service ports that are not wanted any more.
    pub gone: Vec<Arc<PortKey>>,
    /// Addresses and the flags of their markers; `None`: no marker any more.
    pub markers: Vec<(A, Option<u32>)>,
}

/// What the maps should hold for one service port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DesiredPort<A> {
    /// The service port.
    pub key: Arc<PortKey>,
    /// Where its Service was read.
    pub origin: Origin,
    /// What a client may dial, with the flags of [`tidegate_abi::frontend::flags`].
    pub frontends: Vec<(FrontendKey<A>, u32)>,
    /// Backends anywhere, sorted, each once.
    pub cluster: Vec<Target<A>>,
    /// Backends on this node, sorted, each once.
    pub local: Vec<Target<A>>,
    /// Session affinity time; 0: none.
    pub affinity_seconds: u32,
    /// The clients that frontends with the flag `SOURCE_RANGES` admit, sorted, each once.
    pub source_ranges: Vec<Block<A>>,
}

/// A backend before it has an id.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Target<A> {
    /// The address.
    pub addr: A,
    /// The port.
    pub port: Port,
    /// It is on this node.
    pub local: bool,
}

impl Delta {
    /// Whether nothing is other than before.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

impl<A> FamilyDelta<A> {
    fn is_empty(&self) -> bool {
        self.ports.is_empty() && self.gone.is_empty() && self.markers.is_empty()
    }
}

impl<A> Default for FamilyDelta<A> {
    fn default() -> Self {
        Self {
            ports: Vec::new(),
            gone: Vec::new(),
            markers: Vec::new(),
        }
    }
}

impl<A> Default for DesiredFamily<A> {
    fn default() -> Self {
        Self {
            ports: Vec::new(),
            markers: Vec::new(),
        }
    }
}

/// Computes what the maps should hold. The problems name frontends that an older Service has.
pub fn build(ports: &[ServicePort], node: &NodeFacts) -> (Desired, Vec<Problem>) {
    let mut problems = Vec::new();
    let v4 = family(ports, node, &mut problems);
    let v6 = family(ports, node, &mut problems);
    (Desired { v4, v6 }, problems)
}

fn family<A: Address>(
    ports: &[ServicePort],
    node: &NodeFacts,
    problems: &mut Vec<Problem>,
) -> DesiredFamily<A> {
    let of_family = || ports.iter().filter(|port| port.key.family == A::FAMILY);
    let mut owners = Owners::default();
    let mut desired = Vec::new();
    for port in of_family() {
        let frontends = owners.grant(port, node, problems);
        desired.push(Arc::new(of_port(port, frontends)));
    }
    DesiredFamily {
        ports: desired,
        markers: markers::of(of_family(), node),
    }
}

/// What the maps should hold for a service port that gets these frontends.
pub(crate) fn of_port<A: Address>(
    port: &ServicePort,
    frontends: Vec<(FrontendKey<A>, u32)>,
) -> DesiredPort<A> {
    let is_guarded = frontends
        .iter()
        .any(|(_, flags)| flags & SOURCE_RANGES != 0);
    DesiredPort {
        key: Arc::clone(&port.key),
        origin: port.origin.clone(),
        frontends,
        cluster: targets(port, |endpoint| endpoint.used_cluster),
        local: targets(port, |endpoint| endpoint.used_local),
        affinity_seconds: port.affinity_seconds,
        source_ranges: if is_guarded {
            block::all(&port.source_ranges)
        } else {
            Vec::new()
        },
    }
}

fn targets<A: Address>(
    port: &ServicePort,
    used: impl Fn(&crate::model::EndpointView) -> bool,
) -> Vec<Target<A>> {
    let used = port.endpoints.iter().filter(|endpoint| used(endpoint));
    let mut targets: Vec<_> = used
        .filter_map(|endpoint| {
            let addr = A::from_ip(endpoint.ip)?;
            Some(Target {
                addr,
                port: Port::new(endpoint.port),
                local: endpoint.local,
            })
        })
        .collect();
    targets.sort_unstable();
    targets.dedup_by_key(|target| (target.addr, target.port));
    targets
}

#[cfg(test)]
mod tests;
