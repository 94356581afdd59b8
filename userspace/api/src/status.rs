//! The answer to `status`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::DeviceRow;

/// Everything about an agent at a glance.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub version: String,
    pub node: NodeRow,
    /// The maps match the sources.
    pub synced: bool,
    /// Since the maps last matched; `None`: never yet.
    pub last_sync_seconds_ago: Option<f64>,
    /// How long the last plan took to reach the maps.
    #[serde(default)]
    pub last_sync_milliseconds: Option<f64>,
    /// Where objects come from, and whether each has told everything once.
    #[serde(default)]
    pub sources: Vec<SourceRow>,
    /// Maps of an earlier run were taken over at start.
    pub adopted: bool,
    pub attach: String,
    /// Where the socket hooks are; "off": nowhere.
    pub cgroup: String,
    pub pod_cidrs: Vec<String>,
    pub devices: Vec<DeviceRow>,
    pub service_ports: usize,
    pub endpoints: usize,
    pub frontends: usize,
    pub backends: usize,
    pub local_pods: usize,
    pub maps: Vec<MapRow>,
    /// Every way in which packets ended; those that never happened are left out.
    pub counters: Vec<CounterRow>,
    /// One line each.
    pub problems: Vec<String>,
}

/// The node as the agent sees it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRow {
    pub name: String,
    /// The first of each family is the primary one.
    #[schema(value_type = Vec<String>)]
    pub addresses: Vec<IpAddr>,
    #[schema(value_type = Vec<String>)]
    pub nodeport_addresses: Vec<IpAddr>,
}

/// Where objects come from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceRow {
    /// `manifests`, `api` or `kubernetes`.
    pub name: String,
    /// It has told everything once; until all have, nothing is changed in the maps.
    pub read: bool,
    /// Things of it that cannot be read at this time.
    pub unreadable: usize,
}

/// How full a map is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapRow {
    pub name: String,
    /// `None`: an array, whose entries always exist.
    pub used: Option<u32>,
    pub capacity: u32,
}

/// How often a reason was met.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CounterRow {
    pub reason: String,
    /// "pass", "forward", "reject" or "drop".
    pub verdict: String,
    pub packets: u64,
    pub bytes: u64,
    pub sentence: String,
}
