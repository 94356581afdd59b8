//! `tidegate status` for people: what is where, and what is wrong, from top to bottom.

use std::fmt::Write as _;

use super::tables::{Row, borderless, render, text as table_text};
use crate::view::{CounterRow, Status};

/// The whole text.
pub(super) fn text(status: &Status) -> String {
    let mut out = String::new();
    for (label, value) in facts(status) {
        // Writing to a string cannot fail.
        let _always_ok = writeln!(out, "{:<11} {value}", format!("{label}:"));
    }
    section(&mut out, "Devices", &devices(status));
    section(&mut out, "Maps", &maps(status));
    section(
        &mut out,
        "Rejected and dropped packets",
        &drops(&status.counters),
    );
    let problems: String = status
        .problems
        .iter()
        .map(|line| format!("- {line}\n"))
        .collect();
    section(
        &mut out,
        "Problems",
        if problems.is_empty() {
            "none\n"
        } else {
            &problems
        },
    );
    out
}

fn facts(status: &Status) -> Vec<(&'static str, String)> {
    let addresses: Vec<String> = status
        .node
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    let addresses = if addresses.is_empty() {
        "no address".into()
    } else {
        addresses.join(", ")
    };
    let sync = match (status.last_sync_seconds_ago, status.synced) {
        (None, _) => "not yet".to_owned(),
        (Some(ago), true) => format!("{ago:.1} s ago; the maps match the sources"),
        (Some(ago), false) => format!("{ago:.1} s ago; changes are waiting, see Problems"),
    };
    let adopted = if status.adopted {
        ", took over an earlier run's maps"
    } else {
        ""
    };
    vec![
        ("Node", format!("{} ({addresses})", status.node.name)),
        ("Version", format!("{}{adopted}", status.version)),
        ("Last sync", sync),
        (
            "Attach",
            format!("{}; socket hooks: {}", status.attach, status.cgroup),
        ),
        (
            "Serving",
            format!(
                "{} service ports, {} endpoints, {} frontends, {} backends, {} local pods",
                status.service_ports,
                status.endpoints,
                status.frontends,
                status.backends,
                status.local_pods
            ),
        ),
    ]
}

fn section(out: &mut String, title: &str, body: &str) {
    let _always_ok = write!(out, "\n{title}\n");
    for line in body.lines() {
        let _always_ok = writeln!(out, "  {line}");
    }
}

fn devices(status: &Status) -> String {
    if status.devices.is_empty() {
        "none match\n".to_owned()
    } else {
        render(&status.devices, false)
    }
}

fn maps(status: &Status) -> String {
    let mut table = borderless();
    table.set_header(["NAME", "USED", "CAPACITY"]);
    for map in &status.maps {
        let used = map
            .used
            .map_or_else(|| "-".to_owned(), |used| used.to_string());
        table.add_row([map.name.clone(), used, map.capacity.to_string()]);
    }
    table_text(&mut table)
}

fn drops(counters: &[CounterRow]) -> String {
    let bad = counters
        .iter()
        .filter(|row| matches!(row.verdict.as_str(), "reject" | "drop"));
    let rows: Vec<DropRow<'_>> = bad.map(DropRow).collect();
    if rows.is_empty() {
        "none\n".to_owned()
    } else {
        render(&rows, false)
    }
}

struct DropRow<'a>(&'a CounterRow);

impl Row for DropRow<'_> {
    const HEADINGS: &'static [&'static str] = &["REASON", "VERDICT", "PACKETS", "MEANING"];
    const NARROW: usize = 4;

    fn cells(&self) -> Vec<String> {
        let row = self.0;
        vec![
            row.reason.clone(),
            row.verdict.clone(),
            row.packets.to_string(),
            row.sentence.clone(),
        ]
    }
}
