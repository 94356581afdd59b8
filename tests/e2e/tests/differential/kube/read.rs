//! Manifests to service ports of one family, as a node's proxy reads them (rules 1.1 to 1.3).

use std::net::IpAddr;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Service, ServicePort as Port, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint as Listed, EndpointSlice};
use serde_json::Value;

use super::Here;

/// What a client may dial, and who may answer.
#[derive(Clone, Debug)]
pub(crate) struct ServicePort {
    /// `<namespace>/<service>/<protocol>/<port name>`
    pub(crate) name: String,
    /// `tcp` or `udp`
    pub(crate) proto: &'static str,
    pub(crate) cluster_ip: IpAddr,
    pub(crate) port: i32,
    pub(crate) node_port: Option<i32>,
    pub(crate) external_ips: Vec<IpAddr>,
    pub(crate) balancer_ips: Vec<IpAddr>,
    /// Blocks of this family; empty: no firewall.
    pub(crate) ranges: Vec<String>,
    pub(crate) internal_local: bool,
    pub(crate) external_local: bool,
    /// Seconds, if clients stick to an endpoint.
    pub(crate) affinity: Option<i32>,
    pub(crate) endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
    pub(crate) here: bool,
    pub(crate) ready: bool,
    pub(crate) serving: bool,
    pub(crate) terminating: bool,
}

/// All service ports that the objects mean, in one family.
pub(crate) fn service_ports(objects: &[Value], here: &Here) -> Result<Vec<ServicePort>> {
    let mut ports = Vec::new();
    for object in objects.iter().filter(|object| object["kind"] == "Service") {
        let service: Service = serde_json::from_value(object.clone()).context("a Service")?;
        let spec = service.spec.clone().unwrap_or_default();
        let Some(cluster_ip) = cluster_ip(&spec, here.v6) else {
            continue;
        };
        let slices = slices_of(objects, &service, here.v6)?;
        for port in spec.ports.iter().flatten() {
            ports.push(service_port(
                &service, &spec, port, cluster_ip, &slices, here,
            )?);
        }
    }
    Ok(ports)
}

fn service_port(
    service: &Service,
    spec: &ServiceSpec,
    port: &Port,
    cluster_ip: IpAddr,
    slices: &[EndpointSlice],
    here: &Here,
) -> Result<ServicePort> {
    let (namespace, name) = (&service.metadata.namespace, &service.metadata.name);
    let proto = match port.protocol.as_deref() {
        None | Some("TCP") => "tcp",
        Some("UDP") => "udp",
        other => bail!("the scenes have no {other:?}"),
    };
    let port_name = port.name.clone().unwrap_or_default();
    let external_ips = of_family(spec.external_ips.iter().flatten(), here.v6)?;
    let outside = matches!(spec.type_.as_deref(), Some("NodePort" | "LoadBalancer"));
    let sticky = spec.session_affinity.as_deref() == Some("ClientIP");
    let seconds = spec.session_affinity_config.as_ref();
    let seconds = seconds.and_then(|config| config.client_ip.as_ref()?.timeout_seconds);
    Ok(ServicePort {
        name: format!(
            "{}/{}/{proto}/{port_name}",
            namespace.as_deref().unwrap_or("default"),
            name.as_deref().unwrap_or_default()
        ),
        proto,
        cluster_ip,
        port: port.port,
        node_port: port.node_port.filter(|_| outside),
        balancer_ips: balancer_ips(service, here.v6)?,
        ranges: ranges(spec, here.v6),
        internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
        // Only where somebody can come from outside (rule 2.3.3).
        external_local: spec.external_traffic_policy.as_deref() == Some("Local")
            && (outside || !external_ips.is_empty()),
        external_ips,
        affinity: sticky.then(|| seconds.unwrap_or(10_800)),
        endpoints: endpoints(slices, &port_name, proto, here)?,
    })
}

fn cluster_ip(spec: &ServiceSpec, v6: bool) -> Option<IpAddr> {
    let listed = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    let mut ips = listed.filter_map(|text| text.parse::<IpAddr>().ok());
    ips.find(|ip| ip.is_ipv6() == v6)
}

fn of_family<'a>(texts: impl Iterator<Item = &'a String>, v6: bool) -> Result<Vec<IpAddr>> {
    let ips = texts.map(|text| text.parse().with_context(|| format!("address {text}")));
    let ips: Vec<IpAddr> = ips.collect::<Result<_>>()?;
    Ok(ips.into_iter().filter(|ip| ip.is_ipv6() == v6).collect())
}

/// Addresses in mode VIP, which is the default (rule 1.1.8).
fn balancer_ips(service: &Service, v6: bool) -> Result<Vec<IpAddr>> {
    let status = service.status.as_ref();
    let ingress = status.and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    let vips = ingress
        .into_iter()
        .flatten()
        .filter(|entry| entry.ip_mode.as_deref().is_none_or(|mode| mode == "VIP"));
    of_family(vips.filter_map(|entry| entry.ip.as_ref()), v6)
}

/// Of the family, and none at all if one of them is everybody (rules 1.1.11 and 1.1.12).
fn ranges(spec: &ServiceSpec, v6: bool) -> Vec<String> {
    let listed = spec.load_balancer_source_ranges.iter().flatten();
    let listed = listed.map(|range| range.trim().to_owned());
    let own: Vec<String> = listed.filter(|range| range.contains(':') == v6).collect();
    if own.iter().any(|range| range.ends_with("/0")) {
        return Vec::new();
    }
    own
}

fn slices_of(objects: &[Value], service: &Service, v6: bool) -> Result<Vec<EndpointSlice>> {
    let slices = objects
        .iter()
        .filter(|object| object["kind"] == "EndpointSlice");
    let slices = slices.map(|object| {
        serde_json::from_value::<EndpointSlice>(object.clone()).context("an EndpointSlice")
    });
    let mut own = Vec::new();
    for slice in slices {
        let slice = slice?;
        let labels = slice.metadata.labels.clone().unwrap_or_default();
        if labels.get("kubernetes.io/service-name") == service.metadata.name.as_ref()
            && slice.metadata.namespace == service.metadata.namespace
            && slice.address_type == if v6 { "IPv6" } else { "IPv4" }
        {
            own.push(slice);
        }
    }
    Ok(own)
}

/// The slices' ports of this name and protocol, each address once, sorted (rules 1.3.5 and 1.3.6).
fn endpoints(
    slices: &[EndpointSlice],
    name: &str,
    proto: &str,
    here: &Here,
) -> Result<Vec<Endpoint>> {
    let mut all = Vec::new();
    for slice in slices {
        let same = slice.ports.iter().flatten().filter(|port| {
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            port.name.as_deref().unwrap_or_default() == name && protocol.to_lowercase() == proto
        });
        for number in same.filter_map(|port| port.port) {
            for listed in slice.endpoints.iter().flatten() {
                all.push(endpoint(listed, number, here)?);
            }
        }
    }
    all.sort_by_key(|endpoint| (endpoint.ip, endpoint.port, endpoint.terminating));
    all.dedup_by_key(|endpoint| (endpoint.ip, endpoint.port));
    Ok(all)
}

fn endpoint(listed: &Listed, port: i32, here: &Here) -> Result<Endpoint> {
    // None of the scenes has any; one that gets some must not be judged without them.
    ensure!(
        listed.hints.is_none(),
        "the rules are written without topology hints"
    );
    let text = listed
        .addresses
        .first()
        .context("an endpoint without address")?;
    let conditions = listed.conditions.clone().unwrap_or_default();
    Ok(Endpoint {
        ip: text.parse().with_context(|| format!("address {text}"))?,
        port: u16::try_from(port).with_context(|| format!("port {port}"))?,
        here: listed.node_name.as_deref() == Some(here.name),
        ready: conditions.ready.unwrap_or(true),
        serving: conditions.serving.unwrap_or(true),
        terminating: conditions.terminating.unwrap_or(false),
    })
}
