//! What load balancers ask this node: which ports it opens for their probes, what it answers, and
//! whether the node may still be given traffic (rules 3.9.x and 3.10.4).
//!
//! Opening the ports, and speaking HTTP at them, is the agent's business.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use tidegate_abi::Family;

use crate::{
    model::{PortKey, ServicePort},
    object::{Kind, ObjectKey},
    problem::{Origin, Problem, Severity},
    store::Store,
};

/// The cluster autoscaler puts it on a Node before it takes the machine away.
const LEAVING_TAINT: &str = "ToBeDeletedByClusterAutoscaler";

/// One health-check port of one family (rule 3.9.8).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthCheck {
    /// The first port of the Service; it names the Service.
    pub key: Arc<PortKey>,
    /// Where the Service was read.
    pub origin: Origin,
    /// The port to listen on.
    pub port: u16,
    /// How many endpoints of this family are here and ready, by address.
    pub local_ready: usize,
}

/// The health-check ports that this node opens.
pub fn checks(ports: &[ServicePort]) -> Vec<HealthCheck> {
    let mut services: BTreeMap<(&str, &str, Family), Service<'_>> = BTreeMap::new();
    for port in ports {
        let Some(number) = port.health_check_node_port else {
            continue;
        };
        let key = &port.key;
        let service = services
            .entry((&key.namespace, &key.service, key.family))
            .or_insert_with(|| Service {
                first: port,
                number,
                local_ready: BTreeSet::new(),
            });
        // Rule 3.9.3: ready ones only, so a node that serves on with terminating ones answers 503.
        let here = port.endpoints.iter().filter(|it| it.local && it.ready);
        service.local_ready.extend(here.map(|it| it.ip));
    }
    let checks = services.into_values().map(|service| HealthCheck {
        key: Arc::clone(&service.first.key),
        origin: service.first.origin.clone(),
        port: service.number,
        local_ready: service.local_ready.len(),
    });
    checks.collect()
}

/// Whether load balancers may give this node traffic, as far as its Node object says (rule 3.10.4).
///
/// Without any Node there is no cluster that could say otherwise; where there are some, a node without
/// one has left.
pub fn node_is_eligible(store: &Store, name: &str) -> bool {
    let held = store.get(&ObjectKey::of_node(name));
    let Some(node) = held.and_then(|held| held.object.node()) else {
        return store.objects(Kind::Node).next().is_none();
    };
    let spec = node.spec.as_ref();
    let mut taints = spec
        .and_then(|spec| spec.taints.as_ref())
        .into_iter()
        .flatten();
    // Others (unschedulable, not ready) are no reason to send traffic elsewhere.
    node.metadata.deletion_timestamp.is_none() && !taints.any(|taint| taint.key == LEAVING_TAINT)
}

/// A Service in one family, while its ports are walked.
struct Service<'a> {
    first: &'a ServicePort,
    number: u16,
    local_ready: BTreeSet<IpAddr>,
}

impl HealthCheck {
    /// The port cannot be opened (rule 3.9.7).
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::at(&self.origin, Severity::Warning, reason)
            .object(self.key.object())
            .field("spec.healthCheckNodePort")
    }
}

#[cfg(test)]
mod tests;
