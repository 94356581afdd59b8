//! The answer to `describe service`: one Service from all sides, with what the kernel holds of it.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use k8s_openapi::{
    api::core::v1::{Service, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use tidegate_api::{
    EndpointDescription, FrontendDescription, FrontendRow, PortDescription, ServiceDescription,
};
use tidegate_control::{Kind, Object, ObjectKey, ServicePort, node::zone_of};
use tidegate_loader::Error;

use super::proto;
use crate::{kernel::Kernel, names::Names, reconcile::Reconciler};

const PROXY_LABEL: &str = "service.kubernetes.io/service-proxy-name";
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

impl<K: Kernel> Reconciler<K> {
    /// `None`: there is no such Service.
    pub(super) fn describe(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ServiceDescription>, Error> {
        let key = ObjectKey {
            kind: Kind::Service,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let Some(held) = self.store.get(&key) else {
            return Ok(None);
        };
        let Some(service) = held.object.service() else {
            return Ok(None);
        };
        let spec = service
            .spec
            .as_ref()
            .map_or_else(|| Cow::Owned(ServiceSpec::default()), Cow::Borrowed);
        let frontends = self.frontends()?;
        let ports = self.compiler.ports_of(namespace, name);
        let names = self.published.borrow().names.clone();
        let mut described = of_spec(service, &spec);
        described.namespace = namespace.to_owned();
        described.name = name.to_owned();
        described.source = held.object.origin.to_string();
        described.not_served = self.why_not(service, &spec, ports);
        if let Some(port) = ports.first() {
            described.external_traffic_policy = policy_of(&spec, port);
            described.answers_ping = port.ping;
            described.source_ranges_guard_all = ports.iter().any(|port| port.ranges_guard_all);
        }
        for port in ports {
            let port = self.port(&spec, port, &frontends, &names);
            described.ports.push(port);
        }
        described.problems = self.problems_of(&key);
        Ok(Some(described))
    }

    fn port(
        &self,
        spec: &ServiceSpec,
        port: &ServicePort,
        frontends: &[FrontendRow],
        names: &Names,
    ) -> PortDescription {
        let id = self.planner.service_id(&port.key);
        let own = frontends.iter().filter(|row| Some(row.service_id) == id);
        let own = own.filter(|row| row.address.is_ipv4() == is_v4(port) && row.port != 0);
        let written = spec.ports.iter().flatten().nth(port.index);
        let target = written.and_then(|port| port.target_port.as_ref());
        PortDescription {
            name: port.key.port_name.clone(),
            port: port.port,
            proto: proto(port.key.proto),
            family: family(port).to_owned(),
            target_port: target.map(|target| match target {
                IntOrString::Int(number) => number.to_string(),
                IntOrString::String(name) => name.clone(),
            }),
            node_port: port.node_port,
            service_id: id,
            traffic: None,
            active: None,
            frontends: own.map(|row| frontend(row, port)).collect(),
            endpoints: self.endpoints_of(port, id, names),
        }
    }

    fn endpoints_of(
        &self,
        port: &ServicePort,
        id: Option<u32>,
        names: &Names,
    ) -> Vec<EndpointDescription> {
        let backend = |address: IpAddr, number: u16| {
            let mut all = names.backends(port.key.family);
            let found = all.find(|(_, it)| {
                it.serves
                    && Some(it.service) == id
                    && it.address.ip() == address
                    && it.address.port() == number
            });
            found.map(|(id, _)| id)
        };
        let all = port.endpoints.iter();
        all.map(|it| {
            let (zone, sources) = self.origins(port, it.ip);
            let of_node = || zone_of(&self.store, it.node_name.as_deref()?);
            EndpointDescription {
                address: it.ip,
                port: it.port,
                node_name: it.node_name.clone(),
                zone: zone.or_else(of_node),
                local: it.local,
                ready: it.ready,
                serving: it.serving,
                terminating: it.terminating,
                used_cluster: it.used_cluster,
                used_local: it.used_local,
                why: it.why.to_owned(),
                sources,
                backend_id: backend(it.ip, it.port),
                traffic: None,
                active: None,
            }
        })
        .collect()
    }

    /// The zone that a slice names, and the objects that name an address.
    fn origins(&self, port: &ServicePort, address: IpAddr) -> (Option<String>, Vec<String>) {
        let text = address.to_string();
        let is_it = |other: &String| other.parse() == Ok(address) || *other == text;
        let (mut zone, mut sources) = (None, Vec::new());
        for object in self.slices_of(&port.key.namespace, &port.key.service) {
            let endpoints = object.slice().and_then(|slice| slice.endpoints.as_ref());
            let mut named = endpoints
                .into_iter()
                .flatten()
                .filter(|it| it.addresses.first().is_some_and(is_it));
            if let Some(endpoint) = named.next() {
                zone = zone.or_else(|| endpoint.zone.clone());
                sources.push(object.key.to_string());
            }
        }
        let pods = self.store.objects(Kind::Pod).map(|held| &*held.object);
        let in_namespace = pods.filter(|pod| pod.key.namespace == port.key.namespace);
        for object in in_namespace.filter(|pod| has_address(pod, address)) {
            sources.push(object.key.to_string());
        }
        (zone, sources)
    }

    fn slices_of(&self, namespace: &str, service: &str) -> impl Iterator<Item = &Object> {
        let slices = self
            .store
            .objects(Kind::EndpointSlice)
            .map(|held| &*held.object);
        slices.filter(move |object| {
            object.key.namespace == namespace && object.label(SERVICE_LABEL) == Some(service)
        })
    }

    /// Why nothing of a Service is in the kernel.
    fn why_not(
        &self,
        service: &Service,
        spec: &ServiceSpec,
        ports: &[ServicePort],
    ) -> Option<String> {
        if !ports.is_empty() {
            return None;
        }
        let labels = service.metadata.labels.as_ref();
        let proxy = labels.and_then(|labels| labels.get(PROXY_LABEL));
        Some(if let Some(proxy) = proxy {
            format!("the label {PROXY_LABEL} gives it to {proxy:?}")
        } else if spec.type_.as_deref() == Some("ExternalName") {
            "an ExternalName is answered by DNS alone".to_owned()
        } else if spec.cluster_ip.as_deref() == Some("None") {
            "it is headless: clients dial its pods themselves".to_owned()
        } else if !self.is_compiled {
            "not all sources have been read yet".to_owned()
        } else {
            "it has no clusterIP; Problems says why none was given".to_owned()
        })
    }

    /// Lines that name the Service or one of its slices.
    fn problems_of(&self, key: &ObjectKey) -> Vec<String> {
        let slices = self.slices_of(&key.namespace, &key.name);
        let mut names: Vec<String> = slices.map(|object| object.key.to_string()).collect();
        names.push(key.to_string());
        let all = self.problems.all().into_iter();
        all.filter(|line| names.iter().any(|name| mentions(line, name)))
            .collect()
    }
}

/// Whether a line has the name, and not just a longer one that begins like it.
fn mentions(line: &str, name: &str) -> bool {
    let is_inner = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '/');
    line.match_indices(name).any(|(at, _)| {
        let next = line[at + name.len()..].chars().next();
        !next.is_some_and(is_inner)
    })
}

/// What the Service itself says.
fn of_spec(service: &Service, spec: &ServiceSpec) -> ServiceDescription {
    let addresses = |texts: Option<&Vec<String>>| -> Vec<IpAddr> {
        let texts = texts.into_iter().flatten();
        texts.filter_map(|text| text.parse().ok()).collect()
    };
    let map = |map: &Option<BTreeMap<String, String>>| map.clone().unwrap_or_default();
    let metadata = &service.metadata;
    let balancer = service
        .status
        .as_ref()
        .and_then(|it| it.load_balancer.as_ref());
    let ingress = balancer.and_then(|it| it.ingress.as_ref());
    let ingress = ingress.into_iter().flatten();
    let word = |word: &Option<String>, default: &str| match word.as_deref() {
        None | Some("") => default.to_owned(),
        Some(word) => word.to_owned(),
    };
    let cluster_ips = match (&spec.cluster_ips, &spec.cluster_ip) {
        (Some(all), _) if !all.is_empty() => all.clone(),
        (_, Some(one)) if !one.is_empty() => vec![one.clone()],
        _ => Vec::new(),
    };
    let client_ip = spec
        .session_affinity_config
        .as_ref()
        .and_then(|it| it.client_ip.as_ref()?.timeout_seconds);
    let has_affinity = spec.session_affinity.as_deref() == Some("ClientIP");
    let affinity = u32::try_from(client_ip.unwrap_or(10_800)).unwrap_or(0);
    ServiceDescription {
        kind: word(&spec.type_, "ClusterIP"),
        created: metadata
            .creation_timestamp
            .as_ref()
            .map(|it| it.0.to_string()),
        labels: map(&metadata.labels),
        annotations: map(&metadata.annotations),
        selector: map(&spec.selector),
        ip_families: spec.ip_families.clone().unwrap_or_default(),
        ip_family_policy: spec.ip_family_policy.clone(),
        cluster_ips,
        external_ips: addresses(spec.external_ips.as_ref()),
        load_balancer_ips: ingress
            .filter_map(|it| it.ip.as_ref()?.parse().ok())
            .collect(),
        external_name: spec.external_name.clone(),
        internal_traffic_policy: word(&spec.internal_traffic_policy, "Cluster"),
        traffic_distribution: spec.traffic_distribution.clone(),
        affinity_seconds: if has_affinity { affinity } else { 0 },
        source_ranges: spec.load_balancer_source_ranges.clone().unwrap_or_default(),
        health_check_node_port: spec
            .health_check_node_port
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0),
        ..ServiceDescription::default()
    }
}

/// `None`: nobody outside can reach it, and the policy means nothing.
fn policy_of(spec: &ServiceSpec, port: &ServicePort) -> Option<String> {
    let is_outside =
        spec.type_.as_deref().is_some_and(|it| it != "ClusterIP") || !port.external_ips.is_empty();
    let policy = if port.external_local {
        "Local"
    } else {
        "Cluster"
    };
    is_outside.then(|| policy.to_owned())
}

fn frontend(row: &FrontendRow, port: &ServicePort) -> FrontendDescription {
    let is_guarded = row.kind == "LoadBalancer"
        || port.ranges_guard_all && matches!(row.kind.as_str(), "ExternalIP" | "NodePort");
    let ranges = port.source_ranges.iter().filter(|_| is_guarded);
    FrontendDescription {
        address: row.address,
        port: row.port,
        kind: row.kind.clone(),
        backends: row.backends,
        local_backends: row.local_backends,
        local_only: row.local_only,
        affinity_seconds: row.affinity_seconds,
        source_ranges: ranges.map(ToString::to_string).collect(),
    }
}

fn is_v4(port: &ServicePort) -> bool {
    port.key.family == tidegate_abi::Family::V4
}

fn family(port: &ServicePort) -> &'static str {
    if is_v4(port) { "IPv4" } else { "IPv6" }
}

fn has_address(pod: &Object, address: IpAddr) -> bool {
    let Some(status) = pod.pod().and_then(|pod| pod.status.as_ref()) else {
        return false;
    };
    let more = status.pod_ips.iter().flatten().map(|it| &it.ip);
    let mut texts = status.pod_ip.iter().chain(more);
    texts.any(|text| text.parse() == Ok(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_about_another_service_with_a_longer_name_is_not_about_this_one() {
        let name = "Service default/web";
        for line in [
            "a.yaml: document 1: Service default/web: spec: bad",
            "x: loses to Service default/web",
        ] {
            assert!(mentions(line, name), "{line}");
        }
        for line in ["Service default/web-2: bad", "Service default/we", ""] {
            assert!(!mentions(line, name), "{line}");
        }
    }
}
