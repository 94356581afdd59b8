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
        if let Some(addr) = port.cluster_ip.and_then(A::from_ip) {
            markers
                .entry(addr)
                .or_insert(INTERNAL | ADDRESS_ONLY | ping(port));
        }
    }
    for port in ports {
        // What answers on the node's own addresses is the node.
        let lb_ips = port.lb_ips.iter().filter(|ip| !node.addresses.contains(ip));
        for addr in lb_ips.copied().filter_map(A::from_ip) {
            markers
                .entry(addr)
                .or_insert(LOAD_BALANCER | ADDRESS_ONLY | ping(port));
        }
    }
    // A load-balancer address that answers no pings is not different from an unknown one.
    let told = |(_, flags): &(A, u32)| flags & (INTERNAL | PING) != 0;
    markers.into_iter().filter(told).collect()
}

fn ping(port: &ServicePort) -> u32 {
    if port.ping { PING } else { 0 }
}
