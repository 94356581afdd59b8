//! Rules for the ports of a Service (1.5.3, 1.6.7).

use std::{collections::HashSet, ops::RangeInclusive};

use k8s_openapi::{
    api::core::v1::{ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use tidegate_abi::Proto;

use super::{Fault, check_port, check_protocol, error, is_label};
use crate::model::spec::{self, Type};

pub(super) fn check(
    spec: &ServiceSpec,
    kind: Type,
    node_ports: &RangeInclusive<u16>,
) -> Result<(), Fault> {
    let ports = spec.ports.as_deref().unwrap_or_default();
    if ports.is_empty() && !spec::is_headless(spec) {
        return Err(error(
            "spec.ports",
            "is missing: a Service needs at least one port",
        ));
    }
    let mut seen = Seen::default();
    for (index, port) in ports.iter().enumerate() {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        check_name(port, ports.len(), &mut seen).map_err(|why| error(field("name"), why))?;
        let number = check_port(|| field("port"), port.port)?;
        let proto = check_protocol(|| field("protocol"), port.protocol.as_deref())?;
        if !seen.ports.insert((proto, number)) {
            let name = proto.name().unwrap_or_default();
            return Err(error(
                field("port"),
                format!("{name} {number} is used by an earlier port"),
            ));
        }
        check_target(port).map_err(|why| error(field("targetPort"), why))?;
        if let Some(node_port) = port.node_port.filter(|&number| number != 0) {
            check_node_port(node_port, kind, node_ports, proto, &mut seen)
                .map_err(|why| error(field("nodePort"), why))?;
        }
    }
    check_health_port(spec, node_ports, &seen)
}

/// The health-check port comes from the pool of nodePorts (rule 1.6.9) and must not be one (rule 3.9.11).
fn check_health_port(
    spec: &ServiceSpec,
    node_ports: &RangeInclusive<u16>,
    seen: &Seen<'_>,
) -> Result<(), Fault> {
    let number = spec.health_check_node_port.unwrap_or(0);
    if number == 0 || !spec::needs_health_check(spec) {
        return Ok(());
    }
    let field = "spec.healthCheckNodePort";
    let port = in_range(number, node_ports).map_err(|reason| error(field, reason))?;
    if seen.node_ports.iter().any(|(_, taken)| *taken == port) {
        let reason = format!("{number} is a nodePort of this Service; choose another");
        return Err(error(field, reason));
    }
    Ok(())
}

#[derive(Default)]
struct Seen<'a> {
    names: HashSet<&'a str>,
    ports: HashSet<(Proto, u16)>,
    node_ports: HashSet<(Proto, u16)>,
}

fn check_name<'a>(port: &'a ServicePort, of: usize, seen: &mut Seen<'a>) -> Result<(), String> {
    let name = port.name.as_deref().unwrap_or_default();
    if of > 1 && name.is_empty() {
        return Err("is missing: a Service with several ports must name each".to_owned());
    }
    if !is_label(name) {
        return Err(format!(
            "{name:?} is not a name (lower case letters, digits and '-')"
        ));
    }
    if !seen.names.insert(name) {
        return Err(format!("{name:?} is the name of an earlier port"));
    }
    Ok(())
}

/// A number, or the name of a port of the Pods; zero and the empty name mean the port itself
/// (rule 1.4.5). It matters only where slices are made from Pods.
fn check_target(port: &ServicePort) -> Result<(), String> {
    match &port.target_port {
        None | Some(IntOrString::Int(0)) => Ok(()),
        Some(IntOrString::Int(number)) => match u16::try_from(*number) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("{number} is not a port (1-65535)")),
        },
        Some(IntOrString::String(name)) if name.is_empty() || is_port_name(name) => Ok(()),
        Some(IntOrString::String(name)) => Err(format!(
            "{name:?} is not the name of a port (at most 15 lower case letters, digits and '-', \
             at least one letter); write a number without quotes"
        )),
    }
}

/// RFC 6335 service name.
fn is_port_name(name: &str) -> bool {
    name.len() <= 15
        && is_label(name)
        && !name.contains("--")
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn check_node_port(
    number: i32,
    kind: Type,
    range: &RangeInclusive<u16>,
    proto: Proto,
    seen: &mut Seen<'_>,
) -> Result<(), String> {
    if !matches!(kind, Type::NodePort | Type::LoadBalancer) {
        return Err(format!("must not be set for type {kind}"));
    }
    let port = in_range(number, range)?;
    if !seen.node_ports.insert((proto, port)) {
        let name = proto.name().unwrap_or_default();
        return Err(format!("{name} {port} is used by an earlier port"));
    }
    Ok(())
}

fn in_range(number: i32, range: &RangeInclusive<u16>) -> Result<u16, String> {
    let port = u16::try_from(number).ok();
    port.filter(|port| range.contains(port)).ok_or_else(|| {
        let (first, last) = range.clone().into_inner();
        format!("{number} is not in the NodePort range ({first}-{last})")
    })
}
