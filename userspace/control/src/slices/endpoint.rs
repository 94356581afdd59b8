//! A Pod as an endpoint (rules 1.4.1, 1.4.2 and 1.4.9).

use k8s_openapi::api::{
    core::v1::{Node, ObjectReference, Pod, Service, ServiceSpec},
    discovery::v1::{Endpoint, EndpointConditions},
};
use tidegate_abi::Family;

use super::namespace;
use crate::{address, node::ZONE_LABEL};

/// Whether the Pod can be an endpoint: one that has ended is none, one that is about to end is.
pub(super) fn is_one(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

/// The endpoint in a family; none without an address of it.
pub(super) fn of_pod(
    pod: &Pod,
    node: Option<&Node>,
    service: &Service,
    spec: &ServiceSpec,
    family: Family,
) -> Option<Endpoint> {
    let addresses = addresses(pod, family);
    if addresses.is_empty() {
        return None;
    }
    let serving = is_ready(pod);
    let terminating = pod.metadata.deletion_timestamp.is_some();
    let always = spec.publish_not_ready_addresses == Some(true);
    let node_name = pod.spec.as_ref().and_then(|it| it.node_name.as_ref());
    let zone = node.and_then(|node| node.metadata.labels.as_ref()?.get(ZONE_LABEL));
    Some(Endpoint {
        addresses,
        conditions: Some(EndpointConditions {
            ready: Some(always || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: hostname(pod, service),
        node_name: node_name.filter(|name| !name.is_empty()).cloned(),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            namespace: Some(namespace(&pod.metadata).to_owned()),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        }),
        zone: zone.filter(|zone| !zone.is_empty()).cloned(),
        ..Endpoint::default()
    })
}

/// `podIPs`, in canonical spelling; files that are written by hand may have `podIP` only.
fn addresses(pod: &Pod, family: Family) -> Vec<String> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let listed = status.pod_ips.iter().flatten().map(|it| it.ip.as_str());
    let mut texts: Vec<&str> = listed.filter(|text| !text.trim().is_empty()).collect();
    if texts.is_empty() {
        texts.extend(status.pod_ip.as_deref());
    }
    let ips = texts.into_iter().filter_map(address::parse);
    ips.filter(|ip| address::family(*ip) == family)
        .map(|ip| ip.to_string())
        .collect()
}

/// Condition `Ready`. Where nobody wrote any condition, the address alone says that it serves.
fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    match status.and_then(|it| it.conditions.as_deref()) {
        None | Some([]) => true,
        Some(conditions) => conditions
            .iter()
            .find(|it| it.type_ == "Ready")
            .is_some_and(|it| it.status == "True"),
    }
}

/// For DNS (rule 1.4.9).
fn hostname(pod: &Pod, service: &Service) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let is_of_service = spec.subdomain.is_some()
        && spec.subdomain == service.metadata.name
        && namespace(&pod.metadata) == namespace(&service.metadata);
    let hostname = spec.hostname.as_ref().filter(|name| !name.is_empty());
    hostname.filter(|_| is_of_service).cloned()
}
