//! Where a Service's ports lead in a Pod (rules 1.4.3 and 1.4.5).

use k8s_openapi::{
    api::{
        core::v1::{Container, Pod, ServicePort, ServiceSpec},
        discovery::v1::EndpointPort,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use tidegate_abi::Proto;

use crate::validate;

/// The Pod's port for each port of the Service; none where the Pod has no port of that name.
pub(super) fn numbers(spec: &ServiceSpec, pod: &Pod) -> Vec<Option<u16>> {
    let ports = spec.ports.iter().flatten();
    ports.map(|port| number(port, pod)).collect()
}

/// The ports that a slice shows for these numbers.
pub(super) fn slice_ports(spec: &ServiceSpec, numbers: &[Option<u16>]) -> Vec<EndpointPort> {
    let ports = spec.ports.iter().flatten().zip(numbers);
    let shown = ports.filter_map(|(port, &number)| {
        let proto = validate::protocol(port.protocol.as_deref())?;
        Some(EndpointPort {
            app_protocol: port.app_protocol.clone(),
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some(number?.into()),
            protocol: proto.name().map(str::to_owned),
        })
    });
    shown.collect()
}

fn number(port: &ServicePort, pod: &Pod) -> Option<u16> {
    let number = match &port.target_port {
        Some(IntOrString::String(name)) if !name.is_empty() => named(name, port, pod)?,
        Some(IntOrString::Int(number)) if *number != 0 => *number,
        _ => port.port,
    };
    u16::try_from(number).ok().filter(|&number| number != 0)
}

/// The first that has the name and the protocol; sidecars come after the containers.
fn named(name: &str, port: &ServicePort, pod: &Pod) -> Option<i32> {
    let proto = validate::protocol(port.protocol.as_deref())?;
    let spec = pod.spec.as_ref()?;
    let stays = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(stays);
    let containers = spec.containers.iter().chain(sidecars);
    containers
        .flat_map(|container| container.ports.iter().flatten())
        .find(|it| it.name.as_deref() == Some(name) && protocol(it.protocol.as_deref(), proto))
        .map(|it| it.container_port)
}

fn protocol(name: Option<&str>, wanted: Proto) -> bool {
    validate::protocol(name) == Some(wanted)
}
