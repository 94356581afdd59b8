//! `tidegate describe service` for people, in the style of `kubectl describe`.

use std::{collections::BTreeMap, fmt::Write as _};

use tidegate_api::{
    EndpointDescription, FrontendDescription, PortDescription, ServiceDescription, TrafficCount,
};

use super::{
    rows::{joined, or_none},
    screen::{Screen, Tint},
    status::{entry, problems},
    table::{Cell, Column, Row, render, shortened},
};

/// Where the values of the first part stand.
const LABELS: usize = 26;
/// Annotations may be whole files: of those the beginning is enough.
const LONGEST: usize = 100;

/// The whole text.
pub(crate) fn text(it: &ServiceDescription, screen: Screen) -> String {
    let mut out = String::new();
    let facts = facts(it);
    for (label, value) in &facts {
        let label = format!("{:<LABELS$}", format!("{label}:"));
        entry(&mut out, &label, value, screen);
    }
    for port in &it.ports {
        self::port(&mut out, port, screen);
    }
    let inner = inside(screen, 2);
    let _always_ok = writeln!(out, "\n{}", screen.paint("Problems", Tint::Heading));
    indented(&mut out, 2, &problems(&it.problems, inner));
    out
}

fn facts(it: &ServiceDescription) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Name", it.name.clone()),
        ("Namespace", it.namespace.clone()),
        ("Source", it.source.clone()),
    ];
    facts.extend(it.created.clone().map(|created| ("Created", created)));
    facts.push(("Labels", pairs(&it.labels)));
    facts.push(("Annotations", pairs(&it.annotations)));
    facts.push(("Selector", pairs(&it.selector)));
    facts.push(("Type", it.kind.clone()));
    if let Some(reason) = &it.not_served {
        facts.push(("Served", format!("no: {reason}")));
    }
    facts.extend(it.external_name.clone().map(|name| ("External Name", name)));
    let policy = it.ip_family_policy.as_ref();
    let policy = policy
        .map(|policy| format!(" ({policy})"))
        .unwrap_or_default();
    facts.push((
        "IP Families",
        format!("{}{policy}", spaced(&it.ip_families)),
    ));
    facts.push(("Cluster IPs", spaced(&it.cluster_ips)));
    facts.push(("External IPs", spaced(&it.external_ips)));
    facts.push(("Load-Balancer IPs", spaced(&it.load_balancer_ips)));
    facts.push(("Source Ranges", ranges(it)));
    facts.push((
        "Internal Traffic Policy",
        it.internal_traffic_policy.clone(),
    ));
    let external = it.external_traffic_policy.as_ref();
    facts.push(("External Traffic Policy", or_none(external)));
    let spread = it.traffic_distribution.as_ref();
    facts.extend(spread.map(|spread| ("Traffic Distribution", spread.clone())));
    let affinity = match it.affinity_seconds {
        0 => "None".to_owned(),
        seconds => format!("ClientIP, {seconds} s"),
    };
    facts.push(("Session Affinity", affinity));
    let check = it.health_check_node_port;
    facts.extend(check.map(|port| ("Health Check Node Port", port.to_string())));
    let pings = if it.answers_ping {
        "answered"
    } else {
        "not answered"
    };
    facts.push(("Pings", pings.to_owned()));
    facts
}

fn ranges(it: &ServiceDescription) -> String {
    let scope = if it.source_ranges_guard_all {
        "; for external IPs and NodePorts too"
    } else {
        "; for load-balancer addresses"
    };
    match it.source_ranges.as_slice() {
        [] => "<none> (open to everybody)".to_owned(),
        some => format!("{}{scope}", spaced(some)),
    }
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    let texts: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={}", shortened(value, LONGEST)))
        .collect();
    // A line break in an annotation must not look like another field.
    spaced(&texts).replace(char::is_control, "?")
}

fn spaced<T: std::fmt::Display>(values: &[T]) -> String {
    joined(values).replace(',', ", ")
}

fn port(out: &mut String, port: &PortDescription, screen: Screen) {
    let name = if port.name.is_empty() {
        String::new()
    } else {
        format!("{} ", port.name)
    };
    let title = format!("Port {name}{}/{} {}", port.port, port.proto, port.family);
    let _always_ok = writeln!(out, "\n{}", screen.paint(&title, Tint::Heading));
    let inner = inside(screen, 2);
    let mut text = String::new();
    let mut say = |label: &str, value: &str| {
        entry(
            &mut text,
            &format!("{:<width$}", format!("{label}:"), width = LABELS - 2),
            value,
            inner,
        );
    };
    // As Kubernetes has it: the same, unless something is said.
    let target = port.target_port.clone();
    say(
        "Target Port",
        &target.unwrap_or_else(|| port.port.to_string()),
    );
    say("Node Port", &or_none(port.node_port));
    let used = port
        .endpoints
        .iter()
        .filter(|it| it.used_cluster || it.used_local)
        .count();
    let all = port.endpoints.len();
    say("Endpoints", &format!("{used} of {all} used"));
    if let Some(count) = &port.traffic {
        say("Traffic", &traffic(count));
        let active = port.active;
        let active = active.map_or_else(|| "not counted yet".to_owned(), |it| it.to_string());
        let TrafficCount {
            opened, refused, ..
        } = count;
        say(
            "Flows",
            &format!("{active} active, {opened} opened, {refused} refused"),
        );
    }
    let nested = inside(screen, 4);
    text.push_str("Frontends:\n");
    indented(&mut text, 2, &table(&port.frontends, nested));
    text.push_str("Endpoints:\n");
    indented(&mut text, 2, &table(&port.endpoints, nested));
    indented(out, 2, &text);
}

fn traffic(count: &TrafficCount) -> String {
    format!(
        "to backends {} packets, {}; back {} packets, {}",
        count.packets,
        bytes(count.bytes),
        count.reply_packets,
        bytes(count.reply_bytes),
    )
}

/// Bytes in the largest unit that leaves a whole number of three digits or so.
pub(crate) fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count as f64;
    let mut unit = units[0];
    for next in &units[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{count} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

fn table<T: Row>(rows: &[T], screen: Screen) -> String {
    if rows.is_empty() {
        return "none\n".to_owned();
    }
    render(rows, false, screen)
}

fn inside(screen: Screen, indent: usize) -> Screen {
    Screen {
        width: screen.width.map(|width| width.saturating_sub(indent)),
        ..screen
    }
}

fn indented(out: &mut String, indent: usize, body: &str) {
    for line in body.lines() {
        let _always_ok = writeln!(out, "{:indent$}{line}", "");
    }
}

impl Row for FrontendDescription {
    const COLUMNS: &'static [Column] = &[
        Column::new("ADDRESS"),
        Column::new("PORT"),
        Column::new("KIND"),
        Column::new("BACKENDS"),
        Column::new("LOCAL").rank(2),
        Column::new("POLICY").rank(1),
        Column::new("AFFINITY").rank(3),
        Column::new("OPEN-TO").down_to(12).rank(4),
    ];

    fn cells(&self) -> Vec<Cell> {
        let affinity = (self.affinity_seconds > 0).then(|| format!("{}s", self.affinity_seconds));
        let open_to = match self.source_ranges.as_slice() {
            [] => "everybody".to_owned(),
            some => joined(some),
        };
        // What a client of the policy gets.
        let usable = if self.local_only {
            self.local_backends
        } else {
            self.backends
        };
        let tint = if usable == 0 { Tint::Bad } else { Tint::Plain };
        vec![
            self.address.to_string().into(),
            self.port.to_string().into(),
            self.kind.as_str().into(),
            Cell::new(self.backends.to_string()).tint(tint),
            self.local_backends.to_string().into(),
            if self.local_only { "Local" } else { "Cluster" }.into(),
            or_none(affinity).into(),
            open_to.into(),
        ]
    }
}

impl Row for EndpointDescription {
    const COLUMNS: &'static [Column] = &[
        Column::new("ADDRESS"),
        Column::new("PORT"),
        Column::new("NODE").down_to(14).rank(2),
        Column::new("ZONE").rank(6),
        Column::new("CONDITIONS").rank(5),
        Column::new("USED"),
        Column::new("ACTIVE").rank(4),
        Column::new("OPENED").rank(3),
        Column::new("SOURCE").down_to(16).rank(7),
        Column::new("WHY").down_to(24).flowing(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let (used, tint) = match (self.used_cluster, self.used_local) {
            (false, false) => ("no", Tint::Doubtful),
            (true, true) => ("yes", Tint::Good),
            (true, false) => ("Cluster", Tint::Good),
            (false, true) => ("Local", Tint::Good),
        };
        let node = match (&self.node_name, self.local) {
            (Some(name), true) => format!("{name} (here)"),
            (Some(name), false) => name.clone(),
            (None, true) => "(here)".to_owned(),
            (None, false) => "<none>".to_owned(),
        };
        let opened = self.traffic.map(|traffic| traffic.opened);
        vec![
            self.address.to_string().into(),
            self.port.to_string().into(),
            node.into(),
            or_none(self.zone.as_ref()).into(),
            self.conditions().into(),
            Cell::new(used).tint(tint),
            or_none(self.active).into(),
            or_none(opened).into(),
            joined(&self.sources).into(),
            self.why.as_str().into(),
        ]
    }
}

/// What the conditions of an endpoint say, in one word or two.
trait Conditions {
    fn conditions(&self) -> &'static str;
}

impl Conditions for EndpointDescription {
    fn conditions(&self) -> &'static str {
        match (self.ready, self.serving, self.terminating) {
            (true, _, false) => "ready",
            (true, _, true) => "ready,terminating",
            (false, true, false) => "not ready,serving",
            (false, false, false) => "not ready",
            (false, true, true) => "serving,terminating",
            (false, false, true) => "terminating",
        }
    }
}
