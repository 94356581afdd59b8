//! The answer to `status`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::DeviceRow;

/// Everything about an agent at a glance.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) node: NodeRow,
    /// The maps match the sources.
    pub(crate) synced: bool,
    /// Since the maps last matched; `None`: never yet.
    pub(crate) last_sync_seconds_ago: Option<f64>,
    /// Maps of an earlier run were taken over at start.
    pub(crate) adopted: bool,
    pub(crate) attach: String,
    /// Where the socket hooks are; "off": nowhere.
    pub(crate) cgroup: String,
    pub(crate) pod_cidrs: Vec<String>,
    pub(crate) devices: Vec<DeviceRow>,
    pub(crate) service_ports: usize,
    pub(crate) endpoints: usize,
    pub(crate) frontends: usize,
    pub(crate) backends: usize,
    pub(crate) local_pods: usize,
    pub(crate) maps: Vec<MapRow>,
    /// Every way in which packets ended; those that never happened are left out.
    pub(crate) counters: Vec<CounterRow>,
    /// One line each.
    pub(crate) problems: Vec<String>,
}

/// The node as the agent sees it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeRow {
    pub(crate) name: String,
    /// The first of each family is the primary one.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) nodeport_addresses: Vec<IpAddr>,
}

/// How full a map is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MapRow {
    pub(crate) name: String,
    /// `None`: an array, whose entries always exist.
    pub(crate) used: Option<u32>,
    pub(crate) capacity: u32,
}

/// How often a reason was met.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CounterRow {
    pub(crate) reason: String,
    /// "pass", "forward", "reject" or "drop".
    pub(crate) verdict: String,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) sentence: String,
}
