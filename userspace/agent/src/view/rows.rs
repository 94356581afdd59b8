//! One row of each list.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// A service port.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceRow {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Empty: the port has no name.
    pub(crate) port_name: String,
    pub(crate) port: u16,
    pub(crate) proto: String,
    pub(crate) family: String,
    pub(crate) cluster_ip: Option<IpAddr>,
    pub(crate) node_port: Option<u16>,
    pub(crate) external_ips: Vec<IpAddr>,
    pub(crate) load_balancer_ips: Vec<IpAddr>,
    pub(crate) internal_local: bool,
    pub(crate) external_local: bool,
    pub(crate) affinity_seconds: u32,
    pub(crate) endpoints_ready: usize,
    pub(crate) endpoints_total: usize,
    /// Where the Service was read.
    pub(crate) source: String,
}

/// An endpoint of a service port.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointRow {
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) port_name: String,
    pub(crate) proto: String,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) node_name: Option<String>,
    pub(crate) local: bool,
    pub(crate) ready: bool,
    pub(crate) serving: bool,
    pub(crate) terminating: bool,
    pub(crate) used_cluster: bool,
    pub(crate) used_local: bool,
    /// Why it is used or not.
    pub(crate) why: String,
}

/// A frontend as it stands in the kernel.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FrontendRow {
    pub(crate) address: IpAddr,
    /// Zero: the clusterIP itself, for ports that no Service defines.
    pub(crate) port: u16,
    pub(crate) proto: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) port_name: String,
    /// Slots of the selection tables.
    pub(crate) backends: u32,
    pub(crate) local_backends: u32,
    pub(crate) local_only: bool,
    pub(crate) affinity_seconds: u32,
    pub(crate) service_id: u32,
}

/// A backend as it stands in the kernel.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackendRow {
    pub(crate) id: u32,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) node_local: bool,
    pub(crate) generation: u32,
    pub(crate) state: String,
}

/// A flow, from its forward record.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlowRow {
    pub(crate) proto: String,
    pub(crate) client: SocketAddr,
    pub(crate) frontend: SocketAddr,
    pub(crate) backend: SocketAddr,
    /// Source address and port with which the backend sees the client.
    pub(crate) source_as_seen: SocketAddr,
    pub(crate) masqueraded: bool,
    /// A TCP state; empty for other protocols.
    pub(crate) state: String,
    pub(crate) idle_seconds: u32,
    pub(crate) age_seconds: u32,
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) backend_id: u32,
}

/// A device that matches one of the globs.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceRow {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) role: String,
    /// Empty: nothing could be attached, and `why` says so.
    pub(crate) hooks: String,
    pub(crate) why: String,
}
