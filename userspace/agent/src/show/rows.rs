//! The rows of `get`: what each column says, and how a row is told from the others.

use std::{fmt::Display, net::IpAddr};

use serde::{Serialize, de::DeserializeOwned};
use tidegate_api::{
    BackendRow, DeviceOwner, DeviceRow, EndpointRow, FlowRow, FrontendRow, ServiceRow,
};

use super::{
    screen::Tint,
    table::{Cell, Column, Row},
};

/// A row that `get` lists.
pub(crate) trait Listed: Row + Clone + PartialEq + Serialize + DeserializeOwned {
    /// `None`: it belongs to no namespace, and every filter lets it pass.
    fn namespace(&self) -> Option<&str> {
        None
    }
    /// Whether somebody who asks for this name means this row.
    fn is_called(&self, name: &str) -> bool;
    /// What stays the same while the row changes.
    fn identity(&self) -> String;
}

/// What is missing shows as kubectl shows it.
pub(super) fn or_none<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "<none>".to_owned(), |value| value.to_string())
}

pub(super) fn joined<T: Display>(values: &[T]) -> String {
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
        // Not with a slash: a port is often called `tcp`, and `53/tcp` would say a protocol.
        format!("{number}({name})")
    }
}

/// A service port as everything calls it.
fn of_service(namespace: &str, service: &str, port_name: &str) -> String {
    match (service, port_name) {
        ("", _) => or_none(None::<&str>),
        (service, "") => format!("{namespace}/{service}"),
        (service, name) => format!("{namespace}/{service}:{name}"),
    }
}

fn affinity(seconds: u32) -> String {
    or_none((seconds > 0).then(|| format!("{seconds}s")))
}

fn is_address(address: IpAddr, name: &str) -> bool {
    name.parse() == Ok(address)
}

impl Row for ServiceRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAMESPACE").down_to(9),
        Column::new("NAME").down_to(16),
        Column::new("PORT(NAME)").down_to(10),
        Column::new("PROTO"),
        Column::new("CLUSTER-IP").rank(1),
        Column::new("NODE-PORT").rank(3),
        Column::new("ENDPOINTS").rank(2),
        Column::new("EXTERNAL-IP").down_to(12).rank(4),
        Column::new("POLICY").wide(),
        Column::new("AFFINITY").wide(),
        Column::new("SOURCE").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let policy = match (self.internal_local, self.external_local) {
            (false, false) => "Cluster",
            (true, false) => "internal Local",
            (false, true) => "external Local",
            (true, true) => "Local",
        };
        let external = [self.external_ips.as_slice(), &self.load_balancer_ips].concat();
        let serves = match (self.endpoints_ready, self.endpoints_total) {
            (0, _) => Tint::Bad,
            (ready, total) if ready < total => Tint::Doubtful,
            _ => Tint::Plain,
        };
        let ready = format!("{}/{}", self.endpoints_ready, self.endpoints_total);
        vec![
            self.namespace.as_str().into(),
            self.name.as_str().into(),
            port(self.port, &self.port_name).into(),
            self.proto.as_str().into(),
            or_none(self.cluster_ip).into(),
            or_none(self.node_port).into(),
            Cell::new(ready).tint(serves),
            joined(&external).into(),
            policy.into(),
            affinity(self.affinity_seconds).into(),
            self.source.as_str().into(),
        ]
    }
}

impl Listed for ServiceRow {
    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name
    }

    fn identity(&self) -> String {
        let Self {
            namespace,
            name,
            port_name,
            proto,
            family,
            ..
        } = self;
        format!("{namespace}/{name}:{port_name} {proto} {family}")
    }
}

impl Row for EndpointRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAMESPACE").down_to(9).rank(3),
        Column::new("SERVICE").down_to(14),
        Column::new("PORT(NAME)").down_to(10).rank(2),
        Column::new("PROTO").rank(4),
        Column::new("ADDRESS"),
        Column::new("NODE").down_to(8).rank(1),
        Column::new("USED"),
        Column::new("WHY").down_to(16),
        Column::new("LOCAL").wide(),
        Column::new("READY").wide(),
        Column::new("SERVING").wide(),
        Column::new("TERMINATING").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let is_used = self.used_cluster || self.used_local;
        let tint = if is_used { Tint::Good } else { Tint::Doubtful };
        vec![
            self.namespace.as_str().into(),
            self.service.as_str().into(),
            port(self.port, &self.port_name).into(),
            self.proto.as_str().into(),
            self.address.to_string().into(),
            or_none(self.node_name.as_ref()).into(),
            Cell::new(yes(is_used)).tint(tint),
            self.why.as_str().into(),
            yes(self.local).into(),
            yes(self.ready).into(),
            yes(self.serving).into(),
            yes(self.terminating).into(),
        ]
    }
}

impl Listed for EndpointRow {
    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }

    fn is_called(&self, name: &str) -> bool {
        self.service == name || is_address(self.address, name)
    }

    fn identity(&self) -> String {
        let Self {
            namespace,
            service,
            port_name,
            proto,
            address,
            port,
            ..
        } = self;
        format!("{namespace}/{service}:{port_name} {proto} {address} {port}")
    }
}

impl Row for FrontendRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("ADDRESS"),
        Column::new("PORT"),
        Column::new("PROTO"),
        Column::new("KIND").rank(1),
        Column::new("SERVICE").down_to(16),
        Column::new("BACKENDS").rank(2),
        Column::new("LOCAL").wide(),
        Column::new("POLICY").wide(),
        Column::new("AFFINITY").wide(),
        Column::new("ID").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let service = of_service(&self.namespace, &self.service, &self.port_name);
        // The clusterIP itself has neither port nor protocol.
        let star = |text: String| if self.port == 0 { "*".to_owned() } else { text };
        vec![
            self.address.to_string().into(),
            star(self.port.to_string()).into(),
            star(self.proto.clone()).into(),
            self.kind.as_str().into(),
            service.into(),
            self.backends.to_string().into(),
            self.local_backends.to_string().into(),
            if self.local_only { "Local" } else { "Cluster" }.into(),
            affinity(self.affinity_seconds).into(),
            self.service_id.to_string().into(),
        ]
    }
}

impl Listed for FrontendRow {
    fn namespace(&self) -> Option<&str> {
        // A clusterIP's own entry belongs to no service port.
        (!self.service.is_empty()).then_some(&self.namespace)
    }

    fn is_called(&self, name: &str) -> bool {
        self.service == name || is_address(self.address, name)
    }

    fn identity(&self) -> String {
        format!(
            "{} {} {} {}",
            self.address, self.port, self.proto, self.kind
        )
    }
}

impl Row for BackendRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("ADDRESS"),
        Column::new("PORT"),
        Column::new("SERVICE").down_to(16),
        Column::new("NODE-LOCAL").rank(2),
        Column::new("GENERATION").rank(1),
        Column::new("STATE"),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.to_string().into(),
            self.address.to_string().into(),
            self.port.to_string().into(),
            of_service(&self.namespace, &self.service, &self.port_name).into(),
            yes(self.node_local).into(),
            self.generation.to_string().into(),
            self.state.as_str().into(),
        ]
    }
}

impl Listed for BackendRow {
    fn namespace(&self) -> Option<&str> {
        // Of one that has retired nobody knows whose it was.
        (!self.service.is_empty()).then_some(&self.namespace)
    }

    fn is_called(&self, name: &str) -> bool {
        self.service == name || self.id.to_string() == name || is_address(self.address, name)
    }

    fn identity(&self) -> String {
        // Each family has its own ids.
        format!("{} {}", self.address.is_ipv4(), self.id)
    }
}

impl Row for FlowRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("PROTO"),
        Column::new("CLIENT"),
        Column::new("FRONTEND"),
        Column::new("BACKEND"),
        Column::new("SOURCE-AS-SEEN").rank(2),
        Column::new("STATE").rank(1),
        Column::new("IDLE").rank(3),
        Column::new("AGE").wide(),
        Column::new("SERVICE").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let state = if self.state.is_empty() {
            "-"
        } else {
            &self.state
        };
        vec![
            self.proto.as_str().into(),
            self.client.to_string().into(),
            self.frontend.to_string().into(),
            self.backend.to_string().into(),
            self.source_as_seen.to_string().into(),
            state.into(),
            format!("{}s", self.idle_seconds).into(),
            format!("{}s", self.age_seconds).into(),
            format!("{}/{}", self.namespace, self.service).into(),
        ]
    }
}

impl Listed for FlowRow {
    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }

    fn is_called(&self, name: &str) -> bool {
        self.service == name
    }

    fn identity(&self) -> String {
        format!("{} {} {}", self.proto, self.client, self.frontend)
    }
}

impl Row for DeviceRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME"),
        Column::new("ROLE"),
        Column::new("HOOKS").down_to(12),
        Column::new("WHY").down_to(20).rank(1),
        Column::new("INDEX").wide(),
        Column::new("DECLARED").wide(),
        Column::new("POD").wide(),
        Column::new("ADDRESSES").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let hooks = if self.hooks.is_empty() {
            Cell::new("<none>").tint(Tint::Bad)
        } else {
            Cell::new(self.hooks.as_str())
        };
        let owner = self.owner.as_ref();
        let owner_name = |owner: &DeviceOwner| match (&owner.pod_namespace, &owner.pod_name) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            (None, Some(name)) => name.clone(),
            (_, None) => owner.container_id.clone(),
        };
        vec![
            self.name.as_str().into(),
            self.role.as_str().into(),
            hooks,
            self.why.as_str().into(),
            self.index.to_string().into(),
            yes(self.declared).into(),
            or_none(owner.map(owner_name)).into(),
            joined(&self.addresses).into(),
        ]
    }
}

impl Listed for DeviceRow {
    fn is_called(&self, name: &str) -> bool {
        self.name == name
    }

    fn identity(&self) -> String {
        self.name.clone()
    }
}
