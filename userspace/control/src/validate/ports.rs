//! Rules for the ports of a Service (1.5.3, 1.6.7).

use std::{collections::HashSet, ops::RangeInclusive};

use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
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
        if let Some(node_port) = port.node_port.filter(|&number| number != 0) {
            check_node_port(node_port, kind, node_ports, proto, &mut seen)
                .map_err(|why| error(field("nodePort"), why))?;
        }
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
    let Some(port) = u16::try_from(number)
        .ok()
        .filter(|port| range.contains(port))
    else {
        let (first, last) = range.clone().into_inner();
        return Err(format!(
            "{number} is not in the NodePort range ({first}-{last})"
        ));
    };
    if !seen.node_ports.insert((proto, port)) {
        let name = proto.name().unwrap_or_default();
        return Err(format!("{name} {port} is used by an earlier port"));
    }
    Ok(())
}
