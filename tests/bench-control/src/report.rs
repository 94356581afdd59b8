//! The numbers, as a table and as JSON.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::measure::Times;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Report {
    pub rows: Vec<Row>,
}

/// One size, one bench.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Row {
    /// `inside`, `inside, whole` or `agent`.
    pub bench: String,
    pub services: u32,
    pub endpoints: u32,
    /// JSON values to typed objects, and into the store.
    pub store_ms: f64,
    /// Objects to desired maps.
    pub compile_ms: f64,
    /// Desired maps to writes.
    pub plan_ms: f64,
    /// Writes to the kernel's maps.
    pub write_ms: f64,
    /// Entries that were written.
    pub writes: usize,
    /// All of it; of the agent: from its start until it says `ready`.
    pub cold_ms: f64,
    /// The same again by another agent that finds the maps as they are.
    pub adopt_ms: f64,
    /// From the event to the map.
    pub change: Times,
    /// Computing time of a change.
    pub change_cpu: Times,
    /// A Service comes or goes, with its slice.
    pub service: Times,
    pub resident_bytes: u64,
    pub resident_most_bytes: u64,
    pub bytes_per_service: u64,
    pub maps_bytes: u64,
}

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::from(
            "bench          services   cold ms  (store  compile  plan  write)  adopt ms   change us: p50    p99    max   cpu p50    p99   service us: p50    p99   MB now  most  bytes/service  maps MB\n",
        );
        for row in &self.rows {
            let mega = |bytes: u64| bytes as f64 / 1e6;
            let _infallible = writeln!(
                text,
                "{:14} {:8} {:9.0}  ({:5.0} {:8.0} {:5.0} {:6.0}) {:9.0} {:16.0} {:6.0} {:6.0} {:9.0} {:6.0} {:17.0} {:6.0} {:8.0} {:5.0} {:14} {:8.0}",
                row.bench,
                row.services,
                row.cold_ms,
                row.store_ms,
                row.compile_ms,
                row.plan_ms,
                row.write_ms,
                row.adopt_ms,
                row.change.p50_us,
                row.change.p99_us,
                row.change.max_us,
                row.change_cpu.p50_us,
                row.change_cpu.p99_us,
                row.service.p50_us,
                row.service.p99_us,
                mega(row.resident_bytes),
                mega(row.resident_most_bytes),
                row.bytes_per_service,
                mega(row.maps_bytes),
            );
        }
        text
    }
}
