//! Rules for a Service, but for its ports.

use std::{net::IpAddr, ops::RangeInclusive};

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::{Fault, check_choice, error, external, name, ports};
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
        return name::check(spec, warnings);
    }
    check_policies(spec)?;
    check_affinity(spec)?;
    check_cluster_ips(spec, kind)?;
    ports::check(spec, kind, node_ports)?;
    external::check(service, spec, warnings)
}

fn check_policies(spec: &ServiceSpec) -> Result<(), Fault> {
    let policies = ["Cluster", "Local"];
    let internal = spec.internal_traffic_policy.as_deref();
    let external = spec.external_traffic_policy.as_deref();
    check_choice("spec.internalTrafficPolicy", internal, &policies)?;
    check_choice("spec.externalTrafficPolicy", external, &policies)?;
    let spreads = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    let spread = spec.traffic_distribution.as_deref();
    check_choice("spec.trafficDistribution", spread, &spreads)?;
    let stacks = ["SingleStack", "PreferDualStack", "RequireDualStack"];
    let stack = spec.ip_family_policy.as_deref();
    check_choice("spec.ipFamilyPolicy", stack, &stacks)
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

/// A Service that names no address is given one later ([`crate::allocate`]).
fn check_cluster_ips(spec: &ServiceSpec, kind: Type) -> Result<(), Fault> {
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
        return check_families(spec, &[]);
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
    check_families(spec, &ips)
}

/// Whether no clusterIP is one that no Service can have.
pub(super) fn check_special(service: &Service) -> Result<(), String> {
    let spec = service.spec.iter().filter(|spec| !spec::is_headless(spec));
    let mut texts = spec.flat_map(spec::cluster_ip_texts);
    texts.try_for_each(|text| check_address(text).map(drop))
}

/// Where families are listed, they are those of the addresses, in the same order (rule 1.7.2), and
/// once each. Whether the cluster has them is asked when addresses are given.
fn check_families(spec: &ServiceSpec, ips: &[IpAddr]) -> Result<(), Fault> {
    let listed = spec.ip_families.as_deref().unwrap_or_default();
    for (index, family) in listed.iter().enumerate() {
        let field = format!("spec.ipFamilies[{index}]");
        check_choice(&field, Some(family), &["IPv4", "IPv6"])?;
        if listed[..index].contains(family) {
            return Err(error(field, format!("{family} is listed twice")));
        }
        match ips.get(index) {
            Some(&ip) if address::family_name(address::family(ip)) != family => {
                return Err(error(field, format!("{family} is not the family of {ip}")));
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn check_address(text: &str) -> Result<IpAddr, String> {
    let ip = address::parse(text).ok_or_else(|| format!("{text:?} is not an IP address"))?;
    match address::special(ip) {
        Some(what) => Err(format!("{ip} is {what} and cannot be a Service's address")),
        None => Ok(ip),
    }
}
