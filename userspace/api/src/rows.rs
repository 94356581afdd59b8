//! One row of each list.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A service port.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRow {
    pub namespace: String,
    pub name: String,
    /// Empty: the port has no name.
    pub port_name: String,
    pub port: u16,
    pub proto: String,
    pub family: String,
    #[schema(value_type = Option<String>)]
    pub cluster_ip: Option<IpAddr>,
    pub node_port: Option<u16>,
    #[schema(value_type = Vec<String>)]
    pub external_ips: Vec<IpAddr>,
    #[schema(value_type = Vec<String>)]
    pub load_balancer_ips: Vec<IpAddr>,
    pub internal_local: bool,
    pub external_local: bool,
    pub affinity_seconds: u32,
    pub endpoints_ready: usize,
    pub endpoints_total: usize,
    /// Where the Service was read.
    pub source: String,
}

/// An endpoint of a service port.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointRow {
    pub namespace: String,
    pub service: String,
    pub port_name: String,
    pub proto: String,
    #[schema(value_type = String)]
    pub address: IpAddr,
    pub port: u16,
    pub node_name: Option<String>,
    pub local: bool,
    pub ready: bool,
    pub serving: bool,
    pub terminating: bool,
    pub used_cluster: bool,
    pub used_local: bool,
    /// Why it is used or not.
    pub why: String,
}

/// A frontend as it stands in the kernel.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrontendRow {
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Zero: the clusterIP itself, for ports that no Service defines.
    pub port: u16,
    pub proto: String,
    pub kind: String,
    pub namespace: String,
    pub service: String,
    pub port_name: String,
    /// Slots of the selection tables.
    pub backends: u32,
    pub local_backends: u32,
    pub local_only: bool,
    pub affinity_seconds: u32,
    pub service_id: u32,
}

/// A backend as it stands in the kernel.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendRow {
    pub id: u32,
    #[schema(value_type = String)]
    pub address: IpAddr,
    pub port: u16,
    /// Whose it is, as long as it serves.
    pub namespace: String,
    pub service: String,
    pub port_name: String,
    pub node_local: bool,
    pub generation: u32,
    pub state: String,
}

/// A flow, from its forward record.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowRow {
    pub proto: String,
    #[schema(value_type = String)]
    pub client: SocketAddr,
    #[schema(value_type = String)]
    pub frontend: SocketAddr,
    #[schema(value_type = String)]
    pub backend: SocketAddr,
    /// Source address and port with which the backend sees the client.
    #[schema(value_type = String)]
    pub source_as_seen: SocketAddr,
    pub masqueraded: bool,
    /// A TCP state; empty for other protocols.
    pub state: String,
    pub idle_seconds: u32,
    pub age_seconds: u32,
    pub namespace: String,
    pub service: String,
    pub backend_id: u32,
}

/// A device that matches one of the globs, or that somebody has declared.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRow {
    pub name: String,
    /// Zero: it is declared, and there is no such device at this time.
    pub index: u32,
    pub role: String,
    /// Empty: nothing could be attached, and `why` says so.
    pub hooks: String,
    pub why: String,
    /// Somebody has declared it through the API.
    #[serde(default)]
    pub declared: bool,
    /// Addresses of its pod as declared, as far as the maps have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub addresses: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<crate::DeviceOwner>,
    /// Path of the network namespace at the other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
}
