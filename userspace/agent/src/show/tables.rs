//! Tables as `kubectl` draws them: no borders, headings in capitals, two blanks between columns.

use std::fmt::Display;

use comfy_table::{Table, presets::NOTHING};

use crate::view::{BackendRow, DeviceRow, EndpointRow, FlowRow, FrontendRow, ServiceRow};

/// A row of a table.
pub(super) trait Row {
    /// Headings; those behind `wide()` show with `-o wide` only.
    const HEADINGS: &'static [&'static str];
    /// How many columns the narrow table has.
    const NARROW: usize;
    fn cells(&self) -> Vec<String>;
    /// `None`: it belongs to no namespace, and every filter lets it pass.
    fn namespace(&self) -> Option<&str> {
        None
    }
}

/// The table's text; an empty list has no headings either.
pub(super) fn render<T: Row>(rows: &[T], is_wide: bool) -> String {
    if rows.is_empty() {
        return "nothing found\n".to_owned();
    }
    let columns = if is_wide {
        T::HEADINGS.len()
    } else {
        T::NARROW
    };
    let mut table = borderless();
    table.set_header(T::HEADINGS.iter().take(columns));
    for row in rows {
        table.add_row(row.cells().into_iter().take(columns));
    }
    text(&mut table)
}

/// A table without lines, whose first column starts at the margin.
pub(super) fn borderless() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty();
    table
}

pub(super) fn text(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    format!("{}\n", lines.join("\n"))
}

/// What is missing shows as kubectl shows it.
fn or_none<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "<none>".to_owned(), |value| value.to_string())
}

fn joined<T: Display>(values: &[T]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    if texts.is_empty() {
        "<none>".to_owned()
    } else {
        texts.join(",")
    }
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn port(number: u16, name: &str) -> String {
    if name.is_empty() {
        number.to_string()
    } else {
        format!("{number}/{name}")
    }
}

impl Row for ServiceRow {
    const HEADINGS: &'static [&'static str] = &[
        "NAMESPACE",
        "NAME",
        "PORT",
        "PROTO",
        "CLUSTER-IP",
        "NODE-PORT",
        "ENDPOINTS",
        "EXTERNAL-IP",
        "POLICY",
        "AFFINITY",
        "SOURCE",
    ];
    const NARROW: usize = 8;

    fn cells(&self) -> Vec<String> {
        let policy = match (self.internal_local, self.external_local) {
            (false, false) => "Cluster",
            (true, false) => "internal Local",
            (false, true) => "external Local",
            (true, true) => "Local",
        };
        let external = [self.external_ips.as_slice(), &self.load_balancer_ips].concat();
        vec![
            self.namespace.clone(),
            self.name.clone(),
            port(self.port, &self.port_name),
            self.proto.clone(),
            or_none(self.cluster_ip),
            or_none(self.node_port),
            format!("{}/{}", self.endpoints_ready, self.endpoints_total),
            joined(&external),
            policy.to_owned(),
            or_none((self.affinity_seconds > 0).then(|| format!("{}s", self.affinity_seconds))),
            self.source.clone(),
        ]
    }

    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }
}

impl Row for EndpointRow {
    const HEADINGS: &'static [&'static str] = &[
        "NAMESPACE",
        "SERVICE",
        "PORT",
        "PROTO",
        "ADDRESS",
        "NODE",
        "USED",
        "WHY",
        "LOCAL",
        "READY",
        "SERVING",
        "TERMINATING",
    ];
    const NARROW: usize = 8;

    fn cells(&self) -> Vec<String> {
        vec![
            self.namespace.clone(),
            self.service.clone(),
            port(self.port, &self.port_name),
            self.proto.clone(),
            self.address.to_string(),
            or_none(self.node_name.as_ref()),
            yes(self.used_cluster || self.used_local),
            self.why.clone(),
            yes(self.local),
            yes(self.ready),
            yes(self.serving),
            yes(self.terminating),
        ]
    }

    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }
}

impl Row for FrontendRow {
    const HEADINGS: &'static [&'static str] = &[
        "ADDRESS", "PORT", "PROTO", "KIND", "SERVICE", "BACKENDS", "LOCAL", "POLICY", "AFFINITY",
        "ID",
    ];
    const NARROW: usize = 6;

    fn cells(&self) -> Vec<String> {
        let service = match (self.service.as_str(), self.port_name.as_str()) {
            ("", _) => "<none>".to_owned(),
            (service, "") => format!("{}/{service}", self.namespace),
            (service, name) => format!("{}/{service}:{name}", self.namespace),
        };
        let is_address = self.port == 0;
        vec![
            self.address.to_string(),
            if is_address {
                "*".to_owned()
            } else {
                self.port.to_string()
            },
            if is_address {
                "*".to_owned()
            } else {
                self.proto.clone()
            },
            self.kind.clone(),
            service,
            self.backends.to_string(),
            self.local_backends.to_string(),
            if self.local_only { "Local" } else { "Cluster" }.to_owned(),
            or_none((self.affinity_seconds > 0).then(|| format!("{}s", self.affinity_seconds))),
            self.service_id.to_string(),
        ]
    }

    fn namespace(&self) -> Option<&str> {
        // A clusterIP's own entry belongs to no service port.
        (!self.service.is_empty()).then_some(&self.namespace)
    }
}

impl Row for BackendRow {
    const HEADINGS: &'static [&'static str] =
        &["ID", "ADDRESS", "PORT", "NODE-LOCAL", "GENERATION", "STATE"];
    const NARROW: usize = 6;

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.address.to_string(),
            self.port.to_string(),
            yes(self.node_local),
            self.generation.to_string(),
            self.state.clone(),
        ]
    }
}

impl Row for FlowRow {
    const HEADINGS: &'static [&'static str] = &[
        "PROTO",
        "CLIENT",
        "FRONTEND",
        "BACKEND",
        "SOURCE-AS-SEEN",
        "STATE",
        "IDLE",
        "AGE",
        "SERVICE",
    ];
    const NARROW: usize = 7;

    fn cells(&self) -> Vec<String> {
        vec![
            self.proto.clone(),
            self.client.to_string(),
            self.frontend.to_string(),
            self.backend.to_string(),
            self.source_as_seen.to_string(),
            if self.state.is_empty() {
                "-".to_owned()
            } else {
                self.state.clone()
            },
            format!("{}s", self.idle_seconds),
            format!("{}s", self.age_seconds),
            format!("{}/{}", self.namespace, self.service),
        ]
    }

    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }
}

impl Row for DeviceRow {
    const HEADINGS: &'static [&'static str] = &["NAME", "ROLE", "HOOKS", "WHY", "INDEX"];
    const NARROW: usize = 4;

    fn cells(&self) -> Vec<String> {
        let hooks = if self.hooks.is_empty() {
            "<none>"
        } else {
            &self.hooks
        };
        vec![
            self.name.clone(),
            self.role.clone(),
            hooks.to_owned(),
            self.why.clone(),
            self.index.to_string(),
        ]
    }
}
