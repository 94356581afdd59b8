//! Rules for a Pod, as far as it can become an endpoint.

use k8s_openapi::api::core::v1::{Container, Pod};

use super::{Fault, check_port, check_protocol, error};
use crate::address;

pub(super) fn check(pod: &Pod) -> Result<(), Fault> {
    if let Some(spec) = &pod.spec {
        let init = spec.init_containers.as_deref().unwrap_or_default();
        check_ports("containers", &spec.containers)?;
        check_ports("initContainers", init)?;
    }
    let Some(status) = &pod.status else {
        return Ok(());
    };
    check_address("status.podIP", status.pod_ip.as_deref())?;
    for (index, ip) in status.pod_ips.iter().flatten().enumerate() {
        check_address(&format!("status.podIPs[{index}].ip"), Some(&ip.ip))?;
    }
    Ok(())
}

fn check_ports(list: &str, containers: &[Container]) -> Result<(), Fault> {
    for (number, container) in containers.iter().enumerate() {
        for (index, port) in container.ports.iter().flatten().enumerate() {
            let field = |name| format!("spec.{list}[{number}].ports[{index}].{name}");
            check_port(|| field("containerPort"), port.container_port)?;
            check_protocol(|| field("protocol"), port.protocol.as_deref())?;
        }
    }
    Ok(())
}

/// What must not stand in a slice must not get there by way of a Pod (rule 1.3.13).
fn check_address(field: &str, text: Option<&str>) -> Result<(), Fault> {
    let text = text.unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(());
    }
    let Some(ip) = address::parse(text) else {
        return Err(error(field, format!("{text:?} is not an IP address")));
    };
    match address::special(ip) {
        Some(what) => {
            let reason = format!("{ip} is {what} and cannot be an endpoint");
            Err(error(field, reason))
        }
        None => Ok(()),
    }
}
