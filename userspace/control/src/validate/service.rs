//! Rules for a Service, but for its ports.

use std::{net::IpAddr, ops::RangeInclusive};

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::{Fault, check_choice, error, ports, warning};
use crate::{
    address,
    model::spec::{self, Type},
};

/// The longest affinity that Kubernetes allows: a day (rule 4.1).
const AFFINITY_MAX: i32 = 86_400;

pub(super) fn check(
    service: &Service,
    node_ports: &RangeInclusive<u16>,
    warnings: &mut Vec<Fault>,
) -> Result<(), Fault> {
    let Some(spec) = &service.spec else {
        return Err(error("spec", "is missing"));
    };
    let types = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"];
    check_choice("spec.type", spec.type_.as_deref(), &types)?;
    let kind = Type::of(spec);
    if kind == Type::ExternalName {
        // It is a DNS record only (rule 1.1.5); whatever else it says is not used.
        return Ok(());
    }
    check_policies(spec)?;
    check_affinity(spec)?;
    check_cluster_ips(spec, kind, warnings)?;
    ports::check(spec, kind, node_ports)?;
    check_external(service, spec, warnings);
    Ok(())
}

fn check_policies(spec: &ServiceSpec) -> Result<(), Fault> {
    let policies = ["Cluster", "Local"];
    let internal = spec.internal_traffic_policy.as_deref();
    let external = spec.external_traffic_policy.as_deref();
    check_choice("spec.internalTrafficPolicy", internal, &policies)?;
    check_choice("spec.externalTrafficPolicy", external, &policies)
}

fn check_affinity(spec: &ServiceSpec) -> Result<(), Fault> {
    let affinity = spec.session_affinity.as_deref();
    check_choice("spec.sessionAffinity", affinity, &["None", "ClientIP"])?;
    let config = spec
        .session_affinity_config
        .as_ref()
        .and_then(|it| it.client_ip.as_ref());
    match config.and_then(|client| client.timeout_seconds) {
        Some(seconds) if !(1..=AFFINITY_MAX).contains(&seconds) => Err(error(
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
            format!("{seconds} is not a time (1-{AFFINITY_MAX} seconds)"),
        )),
        _ => Ok(()),
    }
}

fn check_cluster_ips(
    spec: &ServiceSpec,
    kind: Type,
    warnings: &mut Vec<Fault>,
) -> Result<(), Fault> {
    let listed = spec.cluster_ips.as_deref().unwrap_or_default();
    let single = spec.cluster_ip.as_deref().unwrap_or_default();
    if let (Some(first), false) = (listed.first(), single.is_empty())
        && first != single
    {
        let reason = format!("{first:?} is not clusterIP, {single:?}; they must be the same");
        return Err(error("spec.clusterIPs[0]", reason));
    }
    if spec::is_headless(spec) {
        if kind != Type::ClusterIp {
            // Rule 1.5.4.
            return Err(error(
                "spec.clusterIP",
                format!("must not be None for type {kind}"),
            ));
        }
        return Ok(());
    }
    let mut ips: Vec<IpAddr> = Vec::new();
    for (index, text) in spec::cluster_ip_texts(spec).enumerate() {
        let field = || match listed.is_empty() {
            true => "spec.clusterIP".to_owned(),
            false => format!("spec.clusterIPs[{index}]"),
        };
        let ip = check_address(text).map_err(|reason| error(field(), reason))?;
        if ips
            .iter()
            .any(|other| address::family(*other) == address::family(ip))
        {
            return Err(error(
                field(),
                format!("{ip} is a second address of its family"),
            ));
        }
        ips.push(ip);
    }
    if ips.is_empty() {
        let reason =
            "is missing, and tidegate allocates none: nothing is programmed; set one, or None";
        warnings.push(warning("spec.clusterIP", reason));
        return Ok(());
    }
    check_families(spec, &ips)
}

/// Where families are listed, they are those of the addresses, in the same order (rule 1.7.2).
fn check_families(spec: &ServiceSpec, ips: &[IpAddr]) -> Result<(), Fault> {
    for (index, family) in spec.ip_families.iter().flatten().enumerate() {
        let field = format!("spec.ipFamilies[{index}]");
        check_choice(&field, Some(family), &["IPv4", "IPv6"])?;
        match ips.get(index) {
            Some(&ip) if address::family_name(address::family(ip)) != family => {
                return Err(error(field, format!("{family} is not the family of {ip}")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What cannot be used is skipped; the rest of the Service works (rule 1.1.9).
fn check_external(service: &Service, spec: &ServiceSpec, warnings: &mut Vec<Fault>) {
    for (index, text) in spec.external_ips.iter().flatten().enumerate() {
        if let (false, Err(reason)) = (text.trim().is_empty(), check_address(text)) {
            let reason = format!("{reason}; this address is skipped");
            warnings.push(warning(format!("spec.externalIPs[{index}]"), reason));
        }
    }
    for (index, ingress) in spec::ingress(service).iter().enumerate() {
        let text = ingress.ip.as_deref().unwrap_or_default();
        if let (false, Err(reason)) = (text.trim().is_empty(), check_address(text)) {
            let reason = format!("{reason}; this address is skipped");
            let field = format!("status.loadBalancer.ingress[{index}].ip");
            warnings.push(warning(field, reason));
        }
    }
    if spec::has_source_ranges(spec) {
        let reason = "is not supported yet, so the load-balancer addresses are not served; remove it to serve everybody";
        warnings.push(warning("spec.loadBalancerSourceRanges", reason));
    }
    let local = spec.external_traffic_policy.as_deref() == Some("Local");
    if local && !spec::is_externally_accessible(spec) {
        // Rule 2.3.3.
        let reason = "is ignored: the Service has no address outside the cluster";
        warnings.push(warning("spec.externalTrafficPolicy", reason));
    }
}

fn check_address(text: &str) -> Result<IpAddr, String> {
    let ip = address::parse(text).ok_or_else(|| format!("{text:?} is not an IP address"))?;
    match address::special(ip) {
        Some(what) => Err(format!("{ip} is {what} and cannot be a Service's address")),
        None => Ok(ip),
    }
}
