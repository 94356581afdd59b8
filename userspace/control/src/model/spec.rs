//! Questions to a Service's specification, with the defaults of rule 1.5.1.

use std::{fmt, net::IpAddr};

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service, ServicePort, ServiceSpec};

use super::labels;
use crate::address;

/// Affinity time where none is given (rule 4.1).
const AFFINITY_DEFAULT: i32 = 10_800;

/// `spec.type`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Type {
    ClusterIp,
    NodePort,
    LoadBalancer,
    ExternalName,
}

impl Type {
    pub(crate) fn of(spec: &ServiceSpec) -> Self {
        match spec.type_.as_deref() {
            Some("NodePort") => Self::NodePort,
            Some("LoadBalancer") => Self::LoadBalancer,
            Some("ExternalName") => Self::ExternalName,
            _ => Self::ClusterIp,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
            Self::ExternalName => "ExternalName",
        })
    }
}

/// The clusterIPs as they are written; old objects have the single field only.
pub(crate) fn cluster_ip_texts(spec: &ServiceSpec) -> impl Iterator<Item = &str> {
    let listed = spec.cluster_ips.as_deref().unwrap_or_default();
    let single = spec.cluster_ip.iter().filter(|_| listed.is_empty());
    listed
        .iter()
        .chain(single)
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
}

/// A headless Service is a matter of DNS only (rule 1.1.4).
pub(crate) fn is_headless(spec: &ServiceSpec) -> bool {
    cluster_ip_texts(spec).any(|text| text == "None")
}

/// The clusterIPs that are programmed, at most one of each family (rules 1.1.4, 1.1.5, 1.7.2).
pub(crate) fn cluster_ips(spec: &ServiceSpec) -> impl Iterator<Item = IpAddr> {
    let programmed = Type::of(spec) != Type::ExternalName && !is_headless(spec);
    cluster_ip_texts(spec)
        .filter(move |_| programmed)
        .filter_map(address::parse)
}

/// The nodePort, where the type has one.
pub(crate) fn node_port(spec: &ServiceSpec, port: &ServicePort) -> Option<u16> {
    let has_one = matches!(Type::of(spec), Type::NodePort | Type::LoadBalancer);
    let number = port.node_port.filter(|_| has_one)?;
    u16::try_from(number).ok().filter(|&number| number != 0)
}

/// The external IPs that can be read and used; the others were warned about (rule 1.1.9).
pub(crate) fn external_ips(spec: &ServiceSpec) -> impl Iterator<Item = IpAddr> {
    spec.external_ips
        .iter()
        .flatten()
        .filter_map(|text| usable(text))
}

/// `status.loadBalancer.ingress`.
pub(crate) fn ingress(service: &Service) -> &[LoadBalancerIngress] {
    let status = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref());
    status
        .and_then(|balancer| balancer.ingress.as_deref())
        .unwrap_or_default()
}

/// Load-balancer addresses that are ours to answer for (rules 1.1.7, 1.1.8, 3.7.x).
pub(crate) fn lb_ips(service: &Service, spec: &ServiceSpec) -> impl Iterator<Item = IpAddr> {
    let has_some = Type::of(spec) == Type::LoadBalancer;
    ingress(service)
        .iter()
        .filter(move |_| has_some)
        .filter(|entry| matches!(entry.ip_mode.as_deref(), None | Some("" | "VIP")))
        .filter_map(|entry| usable(entry.ip.as_deref()?))
}

/// Whether the source ranges guard more than the load-balancer addresses (decision 9).
pub(crate) fn ranges_guard_all(service: &Service) -> bool {
    annotation(service, labels::SOURCE_RANGES) == Some("all")
}

/// Whether pings to the Service's addresses are answered; they are, unless it says otherwise.
pub(crate) fn answers_ping(service: &Service) -> bool {
    annotation(service, labels::PING) != Some("false")
}

/// The value of an annotation, without blanks around it.
pub(crate) fn annotation<'a>(service: &'a Service, name: &str) -> Option<&'a str> {
    let annotations = service.metadata.annotations.as_ref()?;
    annotations.get(name).map(|value| value.trim())
}

/// Whether a load balancer needs a port to ask for this node's health (rule 1.5.5).
pub(crate) fn needs_health_check(spec: &ServiceSpec) -> bool {
    Type::of(spec) == Type::LoadBalancer && is_external_local(spec)
}

/// The health-check node port, where the Service has use for one.
pub(crate) fn health_check_node_port(spec: &ServiceSpec) -> Option<u16> {
    let number = spec
        .health_check_node_port
        .filter(|_| needs_health_check(spec))?;
    u16::try_from(number).ok().filter(|&number| number != 0)
}

/// Rule 1.5.2. The raw list counts, even if no entry of it can be used (rule 1.1.13).
pub(crate) fn is_externally_accessible(spec: &ServiceSpec) -> bool {
    match Type::of(spec) {
        Type::NodePort | Type::LoadBalancer => true,
        Type::ClusterIp => spec
            .external_ips
            .as_ref()
            .is_some_and(|ips| !ips.is_empty()),
        Type::ExternalName => false,
    }
}

/// Whether externalTrafficPolicy Local applies (rule 2.3.3).
pub(crate) fn is_external_local(spec: &ServiceSpec) -> bool {
    spec.external_traffic_policy.as_deref() == Some("Local") && is_externally_accessible(spec)
}

/// Session affinity time; 0: none (rule 4.1).
pub(crate) fn affinity_seconds(spec: &ServiceSpec) -> u32 {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return 0;
    }
    let config = spec
        .session_affinity_config
        .as_ref()
        .and_then(|it| it.client_ip.as_ref());
    let seconds = config
        .and_then(|it| it.timeout_seconds)
        .unwrap_or(AFFINITY_DEFAULT);
    seconds.unsigned_abs()
}

fn usable(text: &str) -> Option<IpAddr> {
    address::parse(text).filter(|ip| address::special(*ip).is_none())
}
