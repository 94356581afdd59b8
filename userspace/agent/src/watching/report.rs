//! Counters with names, for `top`.

use std::collections::HashMap;

use tidegate_abi::{Counter, Family, Reason, Traffic, reason::Kind};
use tidegate_api::{BackendTraffic, CounterRow, ServiceTraffic, TrafficCount, TrafficReport};
use tidegate_control::address::family_name;
use tidegate_loader::Error;

use super::Watching;
use crate::{
    census::Census,
    events::mono_now,
    metrics::Gauges,
    names::{BackendName, Names, ServiceName},
};

/// Of which service ports the backends are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Detail {
    None,
    All,
    /// Of the one with this id.
    Of(u32),
}

pub(super) fn read(from: &Watching, detail: Detail) -> Result<TrafficReport, Error> {
    let (synced, problems, names) = {
        let published = from.names.borrow();
        (
            published.is_synced,
            published.problems,
            published.names.clone(),
        )
    };
    let census = from.census.borrow().clone();
    let capacity = from.gauges.capacity()?;
    let monotonic_nanoseconds = mono_now();
    let mut services = services(&*from.gauges, &names, &census, capacity)?;
    if detail != Detail::None {
        for family in [Family::V4, Family::V6] {
            let mut found = backends(&*from.gauges, &names, &census, family, detail, capacity)?;
            for service in &mut services {
                service
                    .backends
                    .extend(found.remove(&service.id).unwrap_or_default());
            }
        }
    }
    let (flow_records, flow_capacity) = flow_tables(&census);
    Ok(TrafficReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: from.node.to_string(),
        synced,
        problems,
        monotonic_nanoseconds,
        active: census
            .taken
            .map(|_| census.living(Family::V4) + census.living(Family::V6)),
        flow_records,
        flow_capacity,
        counters: counters(&from.gauges.reasons()?),
        services,
    })
}

/// By name, so that scripts can compare two answers.
fn services(
    gauges: &dyn Gauges,
    names: &Names,
    census: &Census,
    capacity: u32,
) -> Result<Vec<ServiceTraffic>, Error> {
    let mut all: Vec<(u32, &ServiceName)> = names.services().collect();
    all.sort_by_key(|(_, it)| &it.key);
    let ids: Vec<u32> = all.iter().map(|(id, _)| *id).collect();
    let rows = all.into_iter().zip(gauges.services(&ids)?);
    Ok(rows
        .map(|((id, it), traffic)| ServiceTraffic {
            id,
            namespace: it.key.namespace.clone(),
            name: it.key.service.clone(),
            port_name: it.key.port_name.clone(),
            port: it.port,
            proto: it
                .key
                .proto
                .name()
                .map_or_else(|| it.key.proto.0.to_string(), str::to_owned),
            family: family_name(it.key.family).to_owned(),
            endpoints_ready: it.ready,
            endpoints_total: it.total,
            traffic: (id < capacity).then(|| count(traffic)),
            active: census.taken.map(|_| census.service(id)),
            backends: Vec::new(),
        })
        .collect())
}

/// By service port.
fn backends(
    gauges: &dyn Gauges,
    names: &Names,
    census: &Census,
    family: Family,
    detail: Detail,
    capacity: u32,
) -> Result<HashMap<u32, Vec<BackendTraffic>>, Error> {
    let is_wanted = |it: &BackendName| {
        it.service != 0 && (detail == Detail::All || detail == Detail::Of(it.service))
    };
    let all: Vec<(u32, &BackendName)> = names
        .backends(family)
        .filter(|(_, it)| is_wanted(it))
        .collect();
    let ids: Vec<u32> = all.iter().map(|(id, _)| *id).collect();
    let mut found: HashMap<u32, Vec<BackendTraffic>> = HashMap::new();
    for ((id, it), traffic) in all.into_iter().zip(gauges.backends(family, &ids)?) {
        let active = census.backend(it.service, it.address);
        // What has left and has no flows any more interests nobody.
        if !it.serves && active == 0 {
            continue;
        }
        let row = BackendTraffic {
            id,
            address: it.address,
            serves: it.serves,
            traffic: (id < capacity).then(|| count(traffic)),
            active: census.taken.map(|_| active),
        };
        found.entry(it.service).or_default().push(row);
    }
    for rows in found.values_mut() {
        rows.sort_by_key(|row| row.address);
    }
    Ok(found)
}

/// As it travels.
pub(crate) fn count(it: Traffic) -> TrafficCount {
    TrafficCount {
        packets: it.packets,
        bytes: it.bytes,
        reply_packets: it.reply_packets,
        reply_bytes: it.reply_bytes,
        opened: it.opened,
        refused: it.refused,
    }
}

/// Entries of both families' flow tables, and what fits.
fn flow_tables(census: &Census) -> (Option<u64>, u64) {
    let names = [tidegate_abi::maps::FLOWS, tidegate_abi::maps::OPENING];
    let names = names.as_flattened();
    let tables = census.maps.iter();
    let tables = tables.filter(|(name, _, _)| names.contains(&name.as_str()));
    let capacity = tables.map(|(_, _, capacity)| u64::from(*capacity)).sum();
    let records = census.records(Family::V4) + census.records(Family::V6);
    (census.taken.map(|_| records), capacity)
}

fn counters(values: &[Counter]) -> Vec<CounterRow> {
    let all = Reason::ALL.iter().zip(values);
    let met = all.filter(|(_, value)| value.packets > 0);
    met.map(|(reason, value)| CounterRow {
        reason: reason.label().to_owned(),
        verdict: match reason.kind() {
            Kind::Pass => "pass",
            Kind::Forward => "forward",
            Kind::Reject => "reject",
            Kind::Drop => "drop",
        }
        .to_owned(),
        packets: value.packets,
        bytes: value.bytes,
        sentence: reason.sentence().to_owned(),
    })
    .collect()
}
