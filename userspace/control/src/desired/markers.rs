//! Service addresses that are known without a port.

use std::collections::BTreeMap;

use tidegate_abi::{
    Address,
    frontend::flags::{ADDRESS_ONLY, INTERNAL, LOAD_BALANCER, PING},
};

use crate::{model::ServicePort, node::NodeFacts};

/// The marker entries of a family, sorted. Where Services share an address the oldest one decides.
pub(super) fn of<'a, A: Address>(
    ports: impl Iterator<Item = &'a ServicePort> + Clone,
    node: &NodeFacts,
) -> Vec<(A, u32)> {
    let mut markers = BTreeMap::new();
    for port in ports.clone() {
        if let Some((addr, flags)) = of_cluster_ip(port) {
            markers.entry(addr).or_insert(flags);
        }
    }
    for port in ports {
        for (addr, flags) in of_balancer(port, node) {
            markers.entry(addr).or_insert(flags);
        }
    }
    markers
        .into_iter()
        .filter(|(_, flags)| is_told(*flags))
        .collect()
}

/// The marker of a clusterIP.
pub(crate) fn of_cluster_ip<A: Address>(port: &ServicePort) -> Option<(A, u32)> {
    let addr = port.cluster_ip.and_then(A::from_ip)?;
    Some((addr, INTERNAL | ADDRESS_ONLY | ping(port)))
}

/// The markers of load-balancer addresses. What answers on the node's own addresses is the node.
pub(crate) fn of_balancer<A: Address>(
    port: &ServicePort,
    node: &NodeFacts,
) -> impl Iterator<Item = (A, u32)> {
    let lb_ips = port.lb_ips.iter().filter(|ip| !node.addresses.contains(ip));
    let addrs = lb_ips.copied().filter_map(A::from_ip);
    addrs.map(|addr| (addr, LOAD_BALANCER | ADDRESS_ONLY | ping(port)))
}

/// A load-balancer address that answers no pings is not different from an unknown one.
pub(crate) fn is_told(flags: u32) -> bool {
    flags & (INTERNAL | PING) != 0
}

fn ping(port: &ServicePort) -> u32 {
    if port.ping { PING } else { 0 }
}
