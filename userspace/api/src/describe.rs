//! The answer to `describe service`: everything that the agent knows about one Service.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A Service, with what the kernel holds of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceDescription {
    pub namespace: String,
    pub name: String,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where the Service was read.
    pub source: String,
    /// `metadata.creationTimestamp`.
    pub created: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub selector: BTreeMap<String, String>,
    pub ip_families: Vec<String>,
    pub ip_family_policy: Option<String>,
    /// `None` among them: headless.
    pub cluster_ips: Vec<String>,
    #[schema(value_type = Vec<String>)]
    pub external_ips: Vec<IpAddr>,
    #[schema(value_type = Vec<String>)]
    pub load_balancer_ips: Vec<IpAddr>,
    pub external_name: Option<String>,
    /// `Cluster` or `Local`.
    pub internal_traffic_policy: String,
    /// `Cluster` or `Local`; nothing where nobody outside can reach the Service.
    pub external_traffic_policy: Option<String>,
    pub traffic_distribution: Option<String>,
    /// 0: every connection chooses anew.
    pub affinity_seconds: u32,
    /// Clients that may use the load-balancer addresses; empty: everybody.
    pub source_ranges: Vec<String>,
    /// The ranges guard external IPs and NodePorts too.
    pub source_ranges_guard_all: bool,
    /// Pings to the clusterIP and the load-balancer addresses are answered.
    pub answers_ping: bool,
    pub health_check_node_port: Option<u16>,
    /// Why nothing of it is in the kernel; `None`: it is served.
    pub not_served: Option<String>,
    /// One for each port and family.
    pub ports: Vec<PortDescription>,
    /// What is wrong with it, one line each.
    pub problems: Vec<String>,
}

/// A service port.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PortDescription {
    /// Empty: the port has no name.
    pub name: String,
    pub port: u16,
    pub proto: String,
    pub family: String,
    /// As the Service says it: a number or a name.
    pub target_port: Option<String>,
    pub node_port: Option<u16>,
    /// The kernel's number for it; counters and events carry it.
    pub service_id: Option<u32>,
    /// Nothing: traffic of this port is not counted.
    pub traffic: Option<TrafficCount>,
    /// Living flows, when they were last counted; nothing: they were not yet.
    pub active: Option<u64>,
    pub frontends: Vec<FrontendDescription>,
    pub endpoints: Vec<EndpointDescription>,
}

/// What can be dialled, as the kernel has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrontendDescription {
    #[schema(value_type = String)]
    pub address: IpAddr,
    pub port: u16,
    pub kind: String,
    /// Backends for clients of this node's kind of policy.
    pub backends: u32,
    /// Backends of this node.
    pub local_backends: u32,
    /// Only backends of this node are used.
    pub local_only: bool,
    pub affinity_seconds: u32,
    /// Clients that it is open to; empty: everybody.
    pub source_ranges: Vec<String>,
}

/// An endpoint.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointDescription {
    #[schema(value_type = String)]
    pub address: IpAddr,
    pub port: u16,
    pub node_name: Option<String>,
    pub zone: Option<String>,
    /// On this node.
    pub local: bool,
    pub ready: bool,
    pub serving: bool,
    pub terminating: bool,
    /// New flows under policy Cluster may go to it.
    pub used_cluster: bool,
    /// New flows under policy Local may go to it.
    pub used_local: bool,
    /// Why it is used or not.
    pub why: String,
    /// The EndpointSlices and Pods that name it.
    pub sources: Vec<String>,
    /// The kernel's number for it.
    pub backend_id: Option<u32>,
    /// Nothing: its traffic is not counted.
    pub traffic: Option<TrafficCount>,
    /// Living flows, when they were last counted; nothing: they were not yet.
    pub active: Option<u64>,
}

/// What went through since the maps were made.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficCount {
    /// From clients to backends.
    pub packets: u64,
    pub bytes: u64,
    /// From backends to clients.
    pub reply_packets: u64,
    pub reply_bytes: u64,
    /// Flows that began.
    pub opened: u64,
    /// New flows that were refused or dropped.
    pub refused: u64,
}
