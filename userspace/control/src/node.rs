//! What the control plane must know about the node it computes for.

use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
    ops::RangeInclusive,
};

use crate::{object::ObjectKey, store::Store};

/// On a Node: the zone it is in.
pub(crate) const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// The NodePort range of a cluster that sets none (rule 1.6.1).
pub const NODE_PORTS: RangeInclusive<u16> = 30000..=32767;

/// Facts about this node, gathered by the agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeFacts {
    /// The node's name; empty: unknown, and then no endpoint is here by name (rule 1.3.11).
    pub name: String,
    /// The value of the label `topology.kubernetes.io/zone`.
    pub zone: Option<String>,
    /// The addresses on which NodePorts answer.
    pub addresses: Vec<IpAddr>,
    /// The range in which NodePorts must lie.
    pub node_port_range: RangeInclusive<u16>,
    /// Addresses of pods that are known to be on this node: a slice written by hand names no node.
    pub local_pod_addresses: HashSet<IpAddr>,
    /// All addresses of the node itself.
    pub own_addresses: BTreeSet<IpAddr>,
}

impl Default for NodeFacts {
    fn default() -> Self {
        Self {
            name: String::new(),
            zone: None,
            addresses: Vec::new(),
            node_port_range: NODE_PORTS,
            local_pod_addresses: HashSet::new(),
            own_addresses: BTreeSet::new(),
        }
    }
}

/// The zone of the Node with this name, as its label says; none if the store has no such Node.
pub fn zone_of(store: &Store, name: &str) -> Option<String> {
    let node = store.get(&ObjectKey::of_node(name))?;
    let zone = node
        .object
        .label(ZONE_LABEL)
        .filter(|zone| !zone.is_empty());
    zone.map(str::to_owned)
}
