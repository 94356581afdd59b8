//! What the command line prints with `-o json`: service ports in plain words.

use std::net::IpAddr;

use serde::Serialize;

pub use crate::model::EndpointView;
use crate::{address, model::ServicePort};

/// A service port as an operator reads it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ServiceView {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub service: String,
    /// The port's name; empty: unnamed.
    pub port_name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub proto: String,
    /// `IPv4` or `IPv6`.
    pub family: String,
    /// The clusterIP, if the Service has it for itself.
    pub cluster_ip: Option<IpAddr>,
    /// The port on every address but the nodes'.
    pub port: u16,
    /// The port on the nodes' addresses.
    pub node_port: Option<u16>,
    /// External IPs.
    pub external_ips: Vec<IpAddr>,
    /// Load-balancer addresses.
    pub lb_ips: Vec<IpAddr>,
    /// Clients that may use the load-balancer addresses, as blocks; empty: everybody.
    pub source_ranges: Vec<String>,
    /// The source ranges hold for external IPs and NodePorts too.
    pub ranges_guard_all: bool,
    /// Pings to the clusterIP and the load-balancer addresses are answered.
    pub ping: bool,
    /// Where a load balancer asks for this node's health.
    pub health_check_node_port: Option<u16>,
    /// internalTrafficPolicy is Local.
    pub internal_local: bool,
    /// externalTrafficPolicy is Local.
    pub external_local: bool,
    /// Session affinity time; 0: none.
    pub affinity_seconds: u32,
    /// All endpoints, used or not.
    pub endpoints: Vec<EndpointView>,
    /// Where the Service was read.
    pub source: String,
}

impl From<&ServicePort> for ServiceView {
    fn from(port: &ServicePort) -> Self {
        let port = port.clone();
        Self {
            namespace: port.key.namespace.clone(),
            service: port.key.service.clone(),
            port_name: port.key.port_name.clone(),
            proto: port.key.proto.name().unwrap_or_default().to_owned(),
            family: address::family_name(port.key.family).to_owned(),
            cluster_ip: port.cluster_ip,
            port: port.port,
            node_port: port.node_port,
            external_ips: port.external_ips,
            lb_ips: port.lb_ips,
            source_ranges: port.source_ranges.iter().map(ToString::to_string).collect(),
            ranges_guard_all: port.ranges_guard_all,
            ping: port.ping,
            health_check_node_port: port.health_check_node_port,
            internal_local: port.internal_local,
            external_local: port.external_local,
            affinity_seconds: port.affinity_seconds,
            endpoints: port.endpoints,
            source: port.origin.to_string(),
        }
    }
}
