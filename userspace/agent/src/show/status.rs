//! `tidegate status` for people: what is where, and what is wrong, from top to bottom.

use std::fmt::Write as _;

use tidegate_api::{CounterRow, DeviceRow, MapRow, Status};

use super::{
    screen::{Screen, Tint},
    table::{Cell, Column, Row, render, wrapped},
};

/// Maps that are fuller than this, in percent, are pointed out.
const TIGHT: u64 = 80;
/// How far sections stand in.
const INDENT: usize = 2;

/// The whole text.
pub(crate) fn text(status: &Status, screen: Screen) -> String {
    let mut out = String::new();
    for (label, value) in facts(status) {
        let label = format!("{:<11} ", format!("{label}:"));
        entry(&mut out, &label, &value, screen);
    }
    // Sections stand in.
    let inner = Screen {
        width: screen.width.map(|width| width.saturating_sub(INDENT)),
        ..screen
    };
    section(&mut out, "Devices", &devices(status, inner), screen);
    section(&mut out, "Maps", &maps(&status.maps, inner), screen);
    let drops = drops(&status.counters, inner);
    section(&mut out, "Rejected and dropped packets", &drops, screen);
    let problems = problems(&status.problems, inner);
    section(&mut out, "Problems", &problems, screen);
    out
}

/// A label and its value, whose further lines stand below its first.
pub(super) fn entry(out: &mut String, label: &str, value: &str, screen: Screen) {
    let indent = label.chars().count();
    let room = screen.width.map(|width| width.saturating_sub(indent));
    let mut lead = screen.paint(label, Tint::Heading);
    for line in wrapped(value, room) {
        // Writing to a string cannot fail.
        let _always_ok = writeln!(out, "{lead}{line}");
        lead = " ".repeat(indent);
    }
}

fn facts(status: &Status) -> Vec<(&'static str, String)> {
    let addresses = match status.node.addresses.as_slice() {
        [] => "no address".to_owned(),
        some => super::rows::joined(some).replace(',', ", "),
    };
    let adopted = if status.adopted {
        ", took over an earlier run's maps"
    } else {
        ""
    };
    let mut facts = vec![
        ("Node", format!("{} ({addresses})", status.node.name)),
        ("Version", format!("{}{adopted}", status.version)),
        ("Last sync", last_sync(status)),
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
    ];
    if !status.sources.is_empty() {
        facts.insert(3, ("Sources", sources(status)));
    }
    facts
}

fn last_sync(status: &Status) -> String {
    let took = status
        .last_sync_milliseconds
        .map(|took| format!(", took {took:.1} ms"))
        .unwrap_or_default();
    match (status.last_sync_seconds_ago, status.synced) {
        (None, _) => "not yet".to_owned(),
        (Some(ago), true) => format!("{}{took}; the maps match the sources", since(ago)),
        (Some(ago), false) => format!("{}{took}; changes are waiting, see Problems", since(ago)),
    }
}

/// A time span as people say it.
fn since(seconds: f64) -> String {
    match seconds {
        few if few < 120.0 => format!("{few:.1} s ago"),
        some if some < 7200.0 => format!("{:.0} min ago", some / 60.0),
        many if many < 172_800.0 => format!("{:.0} h ago", many / 3600.0),
        long => format!("{:.0} days ago", long / 86_400.0),
    }
}

fn sources(status: &Status) -> String {
    let rows = status.sources.iter().map(|source| {
        let state = match (source.read, source.unreadable) {
            (false, _) => "not read yet, so nothing is changed in the maps".to_owned(),
            (true, 0) => "read".to_owned(),
            (true, count) => format!("{count} of it cannot be read, see Problems"),
        };
        format!("{} ({state})", source.name)
    });
    rows.collect::<Vec<_>>().join(", ")
}

fn section(out: &mut String, title: &str, body: &str, screen: Screen) {
    let _always_ok = write!(out, "\n{}\n", screen.paint(title, Tint::Heading));
    for line in body.lines() {
        let _always_ok = writeln!(out, "{:INDENT$}{line}", "");
    }
}

fn devices(status: &Status, screen: Screen) -> String {
    if status.devices.is_empty() {
        "none match\n".to_owned()
    } else {
        let rows: Vec<DeviceFact<'_>> = status.devices.iter().map(DeviceFact).collect();
        render(&rows, false, screen)
    }
}

fn maps(maps: &[MapRow], screen: Screen) -> String {
    let rows: Vec<MapUse<'_>> = maps.iter().map(MapUse).collect();
    render(&rows, false, screen)
}

fn drops(counters: &[CounterRow], screen: Screen) -> String {
    let bad = counters
        .iter()
        .filter(|row| matches!(row.verdict.as_str(), "reject" | "drop"));
    let rows: Vec<DropRow<'_>> = bad.map(DropRow).collect();
    if rows.is_empty() {
        "none\n".to_owned()
    } else {
        render(&rows, false, screen)
    }
}

/// A list of whole sentences.
pub(super) fn problems(lines: &[String], screen: Screen) -> String {
    if lines.is_empty() {
        return "none\n".to_owned();
    }
    let mut out = String::new();
    for line in lines {
        let shown = line.replace(char::is_control, "?");
        let room = screen.width.map(|width| width.saturating_sub(INDENT));
        for (index, part) in wrapped(&shown, room).iter().enumerate() {
            let lead = if index == 0 { "- " } else { "  " };
            let part = screen.paint(part, Tint::Doubtful);
            let _always_ok = writeln!(out, "{lead}{part}");
        }
    }
    out
}

/// A device with the whole sentence that says why it has these hooks.
struct DeviceFact<'a>(&'a DeviceRow);

impl Row for DeviceFact<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME"),
        Column::new("ROLE"),
        Column::new("HOOKS"),
        Column::new("WHY").down_to(20).flowing(),
    ];

    fn cells(&self) -> Vec<Cell> {
        self.0.cells().into_iter().take(4).collect()
    }
}

struct MapUse<'a>(&'a MapRow);

impl Row for MapUse<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME"),
        Column::new("USED"),
        Column::new("CAPACITY"),
        Column::new("FULL"),
        Column::new("PRESSURE").down_to(12).rank(1),
    ];

    fn cells(&self) -> Vec<Cell> {
        let MapRow {
            name,
            used,
            capacity,
        } = self.0;
        let percent = used.map(|used| u64::from(used) * 100 / u64::from(*capacity).max(1));
        let (pressure, tint) = match percent {
            Some(100..) => ("full: see docs/limits.md", Tint::Bad),
            Some(TIGHT..) => ("nearly full", Tint::Doubtful),
            _ => ("", Tint::Plain),
        };
        let shown = match (percent, used) {
            (Some(0), Some(1..)) => "<1%".to_owned(),
            (Some(percent), _) => format!("{percent}%"),
            (None, _) => "-".to_owned(),
        };
        vec![
            name.as_str().into(),
            used.map_or_else(|| "-".to_owned(), |used| used.to_string())
                .into(),
            capacity.to_string().into(),
            Cell::new(shown).tint(tint),
            Cell::new(pressure).tint(tint),
        ]
    }
}

struct DropRow<'a>(&'a CounterRow);

impl Row for DropRow<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::new("REASON"),
        Column::new("VERDICT").rank(1),
        Column::new("PACKETS"),
        Column::new("MEANING").down_to(20).flowing(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let row = self.0;
        vec![
            row.reason.as_str().into(),
            row.verdict.as_str().into(),
            row.packets.to_string().into(),
            row.sentence.as_str().into(),
        ]
    }
}
