//! The parts of the page whose values are only known when somebody asks.

use std::fmt;

use prometheus_client::registry::Unit;
use tidegate_abi::{Counter, Family, Reason, reason::Kind};
use tidegate_control::address::family_name;

use super::{
    samples::{Head, Sheet},
    traffic::{LeftOut, Row},
};
use crate::census::Census;

/// What the sweeping thread saw on its last walk, and how full the planner has made the other maps.
pub(super) fn tables(
    sheet: &mut Sheet<'_>,
    census: &Census,
    planned: &[(&'static str, u32, u32)],
) -> fmt::Result {
    let maps = || {
        let counted = census
            .maps
            .iter()
            .map(|(name, used, capacity)| (&**name, *used, *capacity));
        let planned = planned
            .iter()
            .map(|(name, used, capacity)| (*name, Some(*used), *capacity));
        counted.chain(planned)
    };
    let used = maps().filter_map(|(name, used, _)| Some(([("map", name)], used?)));
    let help = "Entries of a map that are used.";
    sheet.gauges(Head("tidegate_map_entries", None, help), used)?;
    let room = maps().map(|(name, _, capacity)| ([("map", name)], capacity));
    let help = "Entries that a map has room for.";
    sheet.gauges(Head("tidegate_map_capacity", None, help), room)?;
    let living = [Family::V4, Family::V6]
        .map(|family| ([("family", family_name(family))], census.living(family)));
    sheet.gauges(Head("tidegate_flows_active", None, "Living flows."), living)?;
    let help = "Flows that were removed because they had been idle for too long.";
    sheet.counter(Head("tidegate_flows_swept", None, help), census.swept)?;
    let Some(taken) = census.taken else {
        return Ok(());
    };
    let help = "Time since living flows and map entries were counted.";
    let head = Head("tidegate_census_age", Some(Unit::Seconds), help);
    sheet.gauge(head, taken.elapsed().as_secs_f64())
}

/// In pairs with the help of the metric before.
const BYTES: &str = "Bytes of these packets, frame headers included.";

pub(super) fn reasons(sheet: &mut Sheet<'_>, counts: &[Counter]) -> fmt::Result {
    let ended = || {
        Reason::ALL.iter().zip(counts).map(|(reason, count)| {
            let verdict = verdict(reason.kind());
            ([("reason", reason.label()), ("verdict", verdict)], count)
        })
    };
    let packets = ended().map(|(labels, count)| (labels, count.packets));
    let help = "Packets, by how their journey ended.";
    sheet.counters(Head("tidegate_packets", None, help), packets)?;
    let bytes = ended().map(|(labels, count)| (labels, count.bytes));
    sheet.counters(Head("tidegate", Some(Unit::Bytes), BYTES), bytes)
}

pub(super) fn services(sheet: &mut Sheet<'_>, rows: &[Row]) -> fmt::Result {
    let help = "Translated packets of a service port.";
    let head = Head("tidegate_service_packets", None, help);
    sheet.both_ways(head, rows, |it| {
        [it.traffic.packets, it.traffic.reply_packets]
    })?;
    let head = Head("tidegate_service", Some(Unit::Bytes), BYTES);
    sheet.both_ways(head, rows, |it| [it.traffic.bytes, it.traffic.reply_bytes])?;
    let help = "Flows that began, those of processes of this host included.";
    let head = Head("tidegate_service_flows_opened", None, help);
    sheet.counters(head, each(rows, |it| it.traffic.opened))?;
    let help = "Packets, and calls of processes of this host, that were rejected or dropped, new flows mostly.";
    let head = Head("tidegate_service_refused", None, help);
    sheet.counters(head, each(rows, |it| it.traffic.refused))?;
    let head = Head(
        "tidegate_service_flows_active",
        None,
        "Living flows of a service port.",
    );
    sheet.gauges(head, each(rows, |it| it.active))
}

pub(super) fn backends(sheet: &mut Sheet<'_>, rows: &[Row]) -> fmt::Result {
    let help = "Translated packets to and from a backend of a service port.";
    let head = Head("tidegate_backend_packets", None, help);
    sheet.both_ways(head, rows, |it| {
        [it.traffic.packets, it.traffic.reply_packets]
    })?;
    let head = Head("tidegate_backend", Some(Unit::Bytes), BYTES);
    sheet.both_ways(head, rows, |it| [it.traffic.bytes, it.traffic.reply_bytes])?;
    let help = "Flows that a backend was given, those of processes of this host included.";
    let head = Head("tidegate_backend_flows_opened", None, help);
    sheet.counters(head, each(rows, |it| it.traffic.opened))?;
    let head = Head(
        "tidegate_backend_flows_active",
        None,
        "Living flows of a backend.",
    );
    sheet.gauges(head, each(rows, |it| it.active))
}

pub(super) fn left_out(sheet: &mut Sheet<'_>, left_out: LeftOut) -> fmt::Result {
    let samples = [
        ("service", "traffic-counters", left_out.services_uncounted),
        ("backend", "traffic-counters", left_out.backends_uncounted),
        ("backend", "metrics-series-max", left_out.backends_capped),
    ];
    let samples = samples.map(|(kind, flag, count)| ([("kind", kind), ("flag", flag)], count));
    let help =
        "Service ports and backends without series of their own, by the flag that limits them.";
    sheet.gauges(Head("tidegate_left_out", None, help), samples)
}

fn each<V>(
    rows: &[Row],
    value: impl Fn(&Row) -> V,
) -> impl Iterator<Item = (&[(&'static str, String)], V)> {
    rows.iter()
        .map(move |row| (row.labels.as_slice(), value(row)))
}

fn verdict(kind: Kind) -> &'static str {
    match kind {
        Kind::Pass => "pass",
        Kind::Forward => "forward",
        Kind::Reject => "reject",
        Kind::Drop => "drop",
    }
}
