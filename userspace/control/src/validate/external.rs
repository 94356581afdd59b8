//! Rules for what a Service shows outside the cluster: external IPs, load-balancer addresses, and
//! who may use them.

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::{Fault, error, service::check_address, warning};
use crate::{
    address,
    model::{
        labels,
        spec::{self, Type},
    },
};

pub(super) fn check(
    service: &Service,
    spec: &ServiceSpec,
    warnings: &mut Vec<Fault>,
) -> Result<(), Fault> {
    check_addresses(service, spec, warnings);
    check_source_ranges(spec, warnings)?;
    check_idle_fields(service, spec, warnings);
    check_annotations(service, warnings);
    Ok(())
}

/// What cannot be used is skipped; the rest of the Service works (rule 1.1.9).
fn check_addresses(service: &Service, spec: &ServiceSpec, warnings: &mut Vec<Fault>) {
    let skipped = |field: String, text: &str| {
        let reason = check_address(text)
            .err()
            .filter(|_| !text.trim().is_empty())?;
        Some(warning(field, format!("{reason}; this address is skipped")))
    };
    for (index, text) in spec.external_ips.iter().flatten().enumerate() {
        warnings.extend(skipped(format!("spec.externalIPs[{index}]"), text));
    }
    if Type::of(spec) != Type::LoadBalancer {
        return;
    }
    for (index, ingress) in spec::ingress(service).iter().enumerate() {
        let field = |name: &str| format!("status.loadBalancer.ingress[{index}].{name}");
        let text = ingress.ip.as_deref().unwrap_or_default();
        warnings.extend(skipped(field("ip"), text));
        let mode = ingress.ip_mode.as_deref().unwrap_or_default();
        if !matches!(mode, "" | "VIP" | "Proxy") {
            let reason = format!("{mode:?} is neither VIP nor Proxy; this address is skipped");
            warnings.push(warning(field("ipMode"), reason));
        }
    }
}

/// Blocks that cannot be read are skipped (rule 1.1.9), but a guard that nobody can read must not be
/// an open door, and neither must one in front of addresses that it does not guard (rule 1.5.5).
fn check_source_ranges(spec: &ServiceSpec, warnings: &mut Vec<Fault>) -> Result<(), Fault> {
    let field = "spec.loadBalancerSourceRanges";
    let listed = spec
        .load_balancer_source_ranges
        .as_deref()
        .unwrap_or_default();
    let said = |text: &&String| !text.trim().is_empty();
    if !listed.iter().any(|text| said(&text)) {
        return Ok(());
    }
    if Type::of(spec) != Type::LoadBalancer {
        return Err(error(field, "must be set for type LoadBalancer only"));
    }
    if listed
        .iter()
        .all(|text| address::parse_block(text).is_none())
    {
        let reason = "holds no block that can be read (such as 10.0.0.0/8): \
            it would keep nobody out";
        return Err(error(field, reason));
    }
    for (index, text) in listed.iter().enumerate().filter(|(_, text)| said(text)) {
        if address::parse_block(text).is_none() {
            let reason = format!("{text:?} is not a block such as 10.0.0.0/8; it is skipped");
            warnings.push(warning(format!("{field}[{index}]"), reason));
        }
    }
    Ok(())
}

/// What the API server would wipe, or not take: it means nothing for this type (rules 1.5.5, 1.5.7).
fn check_idle_fields(service: &Service, spec: &ServiceSpec, warnings: &mut Vec<Fault>) {
    let is_balancer = Type::of(spec) == Type::LoadBalancer;
    let is_local = spec.external_traffic_policy.as_deref() == Some("Local");
    let health_port = spec.health_check_node_port.unwrap_or(0) != 0;
    let for_balancers = "only type LoadBalancer has one";
    let idle = [
        (
            health_port && !spec::needs_health_check(spec),
            "spec.healthCheckNodePort",
            "only a LoadBalancer with externalTrafficPolicy Local has one",
        ),
        (
            is_local && !spec::is_externally_accessible(spec),
            "spec.externalTrafficPolicy",
            "the Service has no address outside the cluster",
        ),
        (
            spec.load_balancer_class.is_some() && !is_balancer,
            "spec.loadBalancerClass",
            for_balancers,
        ),
        (
            spec.allocate_load_balancer_node_ports.is_some() && !is_balancer,
            "spec.allocateLoadBalancerNodePorts",
            for_balancers,
        ),
        (
            !spec::ingress(service).is_empty() && !is_balancer,
            "status.loadBalancer",
            for_balancers,
        ),
    ];
    for (_, field, why) in idle.into_iter().filter(|(is_idle, ..)| *is_idle) {
        warnings.push(warning(field, format!("is ignored: {why}")));
    }
}

fn check_annotations(service: &Service, warnings: &mut Vec<Fault>) {
    let known: [(&str, &[&str]); 2] = [
        (labels::SOURCE_RANGES, &["all"]),
        (labels::PING, &["true", "false"]),
    ];
    for (name, values) in known {
        let value = spec::annotation(service, name).unwrap_or_default();
        if !value.is_empty() && !values.contains(&value) {
            let values = values.join(", ");
            let reason = format!("{value:?} is not one of {values}; it is ignored");
            warnings.push(warning(format!("metadata.annotations[{name}]"), reason));
        }
    }
}
