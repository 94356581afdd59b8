//! Writes what was settled into a copy of the Service, as the API server would have stored it.

use std::{net::IpAddr, sync::Arc};

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service};

use super::draft::{Draft, Slot};
use crate::{
    address,
    object::{Body, Object},
};

/// The Service with its numbers; none if the manifest says them all.
pub(super) fn object(draft: &Draft<'_>) -> Option<Arc<Object>> {
    // Most Services of a large cluster come with all their numbers: those are not even copied.
    if is_written(draft) {
        return None;
    }
    let mut service = draft.service.clone();
    set_cluster_ips(&mut service, draft);
    set_ports(&mut service, draft);
    set_ingress(&mut service, draft);
    if service == *draft.service {
        return None;
    }
    let object: &Object = draft.object;
    Some(Arc::new(Object {
        body: Body::Service(Box::new(service)),
        ..object.clone()
    }))
}

/// Whether every number that the Service has is one that its manifest names.
fn is_written(draft: &Draft<'_>) -> bool {
    let ports = draft.spec.ports.iter().flatten().zip(&draft.node_ports);
    let has_its_ports = ports
        .into_iter()
        .all(|(port, (_, slot))| slot.number().map(i32::from) == port.node_port);
    has_its_addresses(draft)
        && has_its_ports
        && draft.health.as_ref().is_none_or(is_granted)
        && draft
            .balancer_ips
            .iter()
            .all(|slot| slot.number().is_none())
        && draft.lost_ingress.is_empty()
}

fn has_its_addresses(draft: &Draft<'_>) -> bool {
    !draft.is_refused && !draft.cluster_ips.is_empty() && draft.cluster_ips.iter().all(is_granted)
}

fn is_granted<N: Copy>(slot: &Slot<N>) -> bool {
    slot.asked.is_some() && !slot.is_denied()
}

fn set_cluster_ips(service: &mut Service, draft: &Draft<'_>) {
    let Some(spec) = &mut service.spec else {
        return;
    };
    if draft.is_refused && !draft.is_headless() {
        (spec.cluster_ip, spec.cluster_ips) = (None, None);
        return;
    }
    if has_its_addresses(draft) || draft.families.list.is_empty() {
        return;
    }
    let families = draft
        .families
        .list
        .iter()
        .map(|it| address::family_name(*it).to_owned());
    spec.ip_families = Some(families.collect());
    spec.ip_family_policy = Some(draft.families.policy.name().to_owned());
    if !draft.is_headless() {
        let ips: Vec<String> = numbers(&draft.cluster_ips)
            .map(|ip| ip.to_string())
            .collect();
        spec.cluster_ip = ips.first().cloned();
        spec.cluster_ips = Some(ips);
    }
}

fn set_ports(service: &mut Service, draft: &Draft<'_>) {
    let Some(spec) = &mut service.spec else {
        return;
    };
    for (port, (_, slot)) in spec.ports.iter_mut().flatten().zip(&draft.node_ports) {
        port.node_port = slot.number().map(i32::from);
    }
    if let Some(slot) = &draft.health {
        spec.health_check_node_port = slot.number().map(i32::from);
    }
}

fn set_ingress(service: &mut Service, draft: &Draft<'_>) {
    let given: Vec<LoadBalancerIngress> = numbers(&draft.balancer_ips).map(ingress).collect();
    if given.is_empty() && draft.lost_ingress.is_empty() {
        return;
    }
    let status = service.status.get_or_insert_default();
    let list = &mut status.load_balancer.get_or_insert_default().ingress;
    let list = list.get_or_insert_default();
    let mut index = 0;
    list.retain(|_| {
        index += 1;
        !draft.lost_ingress.contains(&(index - 1))
    });
    list.extend(given);
}

fn numbers(slots: &[Slot<IpAddr>]) -> impl Iterator<Item = IpAddr> {
    slots.iter().filter_map(Slot::number)
}

/// Rule 7.2.5: the mode must be said, and is VIP where nobody says otherwise.
fn ingress(ip: IpAddr) -> LoadBalancerIngress {
    LoadBalancerIngress {
        ip: Some(ip.to_string()),
        ip_mode: Some("VIP".to_owned()),
        ..LoadBalancerIngress::default()
    }
}
