//! The answer to `GET /v1/traffic`: counters that only grow, with the moment at which they were read.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CounterRow, TrafficCount};

/// Everything that is counted. Two of them make rates.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficReport {
    pub version: String,
    pub node: String,
    /// The maps match the sources.
    pub synced: bool,
    /// Lines under Problems in `status`.
    pub problems: usize,
    /// `CLOCK_MONOTONIC` when the counters were read.
    pub monotonic_nanoseconds: u64,
    /// Living flows, when they were last counted; nothing: they were not yet.
    pub active: Option<u64>,
    /// Entries of the flow tables of both families, and what fits.
    pub flow_records: Option<u64>,
    pub flow_capacity: u64,
    /// Every way in which packets ended; those that never happened are left out.
    pub counters: Vec<CounterRow>,
    pub services: Vec<ServiceTraffic>,
}

/// A service port.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceTraffic {
    /// The kernel's number for it, for as long as the maps live.
    pub id: u32,
    pub namespace: String,
    pub name: String,
    /// Empty: the port has no name.
    pub port_name: String,
    pub port: u16,
    pub proto: String,
    pub family: String,
    pub endpoints_ready: usize,
    pub endpoints_total: usize,
    /// Nothing: its id is beyond `--traffic-counters`.
    pub traffic: Option<TrafficCount>,
    /// Living flows, when they were last counted; nothing: they were not yet.
    pub active: Option<u64>,
    /// Left out unless asked for.
    #[serde(default)]
    pub backends: Vec<BackendTraffic>,
}

/// A backend of a service port.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendTraffic {
    pub id: u32,
    #[schema(value_type = String)]
    pub address: SocketAddr,
    /// New flows may go there.
    pub serves: bool,
    /// Nothing: its id is beyond `--traffic-counters`.
    pub traffic: Option<TrafficCount>,
    /// Living flows, when they were last counted; nothing: they were not yet.
    pub active: Option<u64>,
}
