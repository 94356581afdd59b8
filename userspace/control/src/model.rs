//! Services and slices to service ports: who may be dialled, and who answers.
//!
//! IPv4 and IPv6 of a Service are two service ports that share a name (rule 1.7.1). What is here is
//! policy only; which map entries it takes is decided in [`crate::desired`].

pub(crate) mod spec;
pub(crate) mod labels;
mod ranges;
pub(crate) mod claims;
pub(crate) mod sources;
mod endpoints;
mod eligible;

use std::{borrow::Cow, fmt, net::IpAddr, sync::Arc};

use k8s_openapi::api::{core::v1, discovery::v1::EndpointSlice};
use serde::Serialize;
use tidegate_abi::{Family, Proto};

use crate::{
    address,
    node::NodeFacts,
    object::Object,
    problem::{Origin, Problem, Severity},
    store::Store,
    validate,
};
use claims::{Claims, Draft};
use sources::Sources;

pub use ranges::SourceRange;

/// What makes two service ports the same: flows, affinity and counters belong to it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PortKey {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub service: String,
    /// The port's name; empty: unnamed.
    pub port_name: String,
    /// The transport protocol.
    pub proto: Proto,
    /// The address family.
    pub family: Family,
}

/// One port of a Service, in one family.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServicePort {
    /// Its identity.
    pub key: Arc<PortKey>,
    /// Where the Service was read.
    pub origin: Origin,
    /// The port's place in `spec.ports`.
    pub index: usize,
    /// The clusterIP; none if an older Service has it.
    pub cluster_ip: Option<IpAddr>,
    /// The port on every address but the nodes'.
    pub port: u16,
    /// The port on the nodes' addresses; none also if an older Service has it.
    pub node_port: Option<u16>,
    /// External IPs of this family.
    pub external_ips: Vec<IpAddr>,
    /// Load-balancer addresses of this family that are to be short-circuited (rule 3.7.1).
    pub lb_ips: Vec<IpAddr>,
    /// Clients that may use the load-balancer addresses, sorted; empty: everybody (rule 3.6).
    pub source_ranges: Vec<SourceRange>,
    /// The source ranges hold for external IPs and NodePorts too (decision 9).
    pub ranges_guard_all: bool,
    /// Pings to the clusterIP and the load-balancer addresses are answered.
    pub ping: bool,
    /// Where a load balancer asks whether this node has endpoints (rule 3.9); the same in both families.
    /// None also if an older Service has the number.
    pub health_check_node_port: Option<u16>,
    /// internalTrafficPolicy is Local.
    pub internal_local: bool,
    /// externalTrafficPolicy is Local, and means something (rule 2.3.3).
    pub external_local: bool,
    /// Session affinity time; 0: none.
    pub affinity_seconds: u32,
    /// All endpoints, used or not, ordered by address and port.
    pub endpoints: Vec<EndpointView>,
}

/// An endpoint of a service port, and what it is used for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct EndpointView {
    /// The endpoint's address.
    pub ip: IpAddr,
    /// The endpoint's port.
    pub port: u16,
    /// The node it is on, if the slice tells.
    pub node_name: Option<String>,
    /// It is on this node.
    pub local: bool,
    /// Condition `ready`.
    pub ready: bool,
    /// Condition `serving`.
    pub serving: bool,
    /// Condition `terminating`.
    pub terminating: bool,
    /// New flows under policy Cluster may go to it.
    pub used_cluster: bool,
    /// New flows under policy Local may go to it.
    pub used_local: bool,
    /// Why it is used or not, in one phrase.
    pub why: &'static str,
}

/// All service ports, oldest Service first, and the conflicts between Services.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The service ports.
    pub ports: Vec<ServicePort>,
    /// Which Service lost what to which other one.
    pub problems: Vec<Problem>,
}

/// Computes what the stored objects mean on this node.
pub fn build(store: &Store, node: &NodeFacts) -> Model {
    let sources = Sources::of(store);
    let mut claims = Claims::default();
    let mut model = Model::default();
    for held in store.services_by_age() {
        let object: &Object = &held.object;
        let mut draft = draft(object, sources.of_service(object), node);
        let problems = draft.settle((&object.key, &object.origin), |number| {
            claims.other(number, object)
        });
        model.problems.extend(problems);
        model.ports.extend(draft.ports);
    }
    model
}

/// A Service's ports, with all numbers that it claims; nothing where it is not served here.
pub(crate) fn draft(object: &Object, slices: Slices<'_>, node: &NodeFacts) -> Draft {
    let mut draft = Draft::default();
    let served = object
        .service()
        .filter(|_| object.label(labels::PROXY_NAME).is_none()); // Rule 1.2.1: another proxy's.
    if let Some(service) = served {
        let ports = Ports {
            object,
            service,
            node,
            slices,
        };
        ports.add_to(&mut draft);
    }
    draft
}

/// The slices of a Service, read or made.
pub(crate) type Slices<'a> = Vec<Cow<'a, EndpointSlice>>;

/// Everything that a Service's ports are made from.
struct Ports<'a> {
    object: &'a Object,
    service: &'a v1::Service,
    slices: Slices<'a>,
    node: &'a NodeFacts,
}

impl Ports<'_> {
    fn add_to(&self, draft: &mut Draft) {
        let Some(spec) = &self.service.spec else {
            return;
        };
        // A Service without an address of a family has nothing of that family (rule 1.7.3).
        for cluster_ip in spec::cluster_ips(spec) {
            let first = draft.ports.len();
            let ports = spec.ports.iter().flatten().enumerate();
            let ports: Vec<_> = ports
                .filter_map(|(index, port)| self.port(spec, index, port, cluster_ip))
                .collect();
            draft.claim_cluster_ip(cluster_ip, first..first + ports.len());
            for port in ports {
                draft.ports.push(port);
                draft.claim_ports();
            }
        }
    }

    fn port(
        &self,
        spec: &v1::ServiceSpec,
        index: usize,
        port: &v1::ServicePort,
        cluster_ip: IpAddr,
    ) -> Option<ServicePort> {
        let family = address::family(cluster_ip);
        let proto = validate::protocol(port.protocol.as_deref())?;
        let port_name = port.name.clone().unwrap_or_default();
        let mut endpoints =
            endpoints::of_port(&self.slices, (&port_name, proto), family, self.node);
        eligible::decide(&mut endpoints, self.node);
        let of_family = |ip: &IpAddr| address::family(*ip) == family;
        let source_ranges = ranges::of_family(spec, family);
        let key = PortKey {
            namespace: self.object.key.namespace.clone(),
            service: self.object.key.name.clone(),
            port_name,
            proto,
            family,
        };
        Some(ServicePort {
            key: Arc::new(key),
            origin: self.object.origin.clone(),
            index,
            cluster_ip: Some(cluster_ip),
            port: u16::try_from(port.port).ok()?,
            node_port: spec::node_port(spec, port),
            external_ips: distinct(spec::external_ips(spec).filter(of_family)),
            lb_ips: distinct(spec::lb_ips(self.service, spec).filter(of_family)),
            ranges_guard_all: !source_ranges.is_empty() && spec::ranges_guard_all(self.service),
            source_ranges,
            ping: spec::answers_ping(self.service),
            health_check_node_port: spec::health_check_node_port(spec),
            internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
            external_local: spec::is_external_local(spec),
            affinity_seconds: spec::affinity_seconds(spec),
            endpoints: endpoints
                .into_iter()
                .map(|endpoint| endpoint.view)
                .collect(),
        })
    }
}

/// Each once, in the order in which they came.
fn distinct(ips: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut all = Vec::new();
    for ip in ips {
        if !all.contains(&ip) {
            all.push(ip);
        }
    }
    all
}

impl ServicePort {
    /// A problem with a field of the Service.
    pub(crate) fn problem(&self, field: &str, reason: String) -> Problem {
        Problem::at(&self.origin, Severity::Error, reason)
            .object(self.key.object())
            .field(field.to_owned())
    }
}

impl PortKey {
    /// The Service, as problems name it.
    pub fn object(&self) -> String {
        format!("Service {}/{}", self.namespace, self.service)
    }
}

impl fmt::Display for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespace,
            service,
            port_name,
            proto,
            family,
        } = self;
        let colon = if port_name.is_empty() { "" } else { ":" };
        let proto = proto.name().unwrap_or("?");
        let family = address::family_name(*family);
        write!(
            f,
            "{namespace}/{service}{colon}{port_name} {proto} {family}"
        )
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod eligible_tests;
#[cfg(test)]
mod categorize_tests;
#[cfg(test)]
mod slice_tests;
#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod pod_tests;
