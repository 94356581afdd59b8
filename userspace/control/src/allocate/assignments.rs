//! What was given to whom: all that must outlive the agent (rule 7.1.11).
//!
//! Only numbers that were chosen here are remembered. What a manifest names is in the manifest.

use std::{collections::BTreeMap, net::IpAddr};

use tidegate_abi::{Family, Proto};

use crate::object::ObjectKey;

/// By Service.
pub type Assignments = BTreeMap<ObjectKey, Assignment>;

/// What a Service was given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Assignment {
    /// The Service's address families, the primary one first (rule 1.7.6).
    pub families: Vec<Family>,
    /// The policy that led to them.
    pub policy: FamilyPolicy,
    /// At most one of each family.
    pub cluster_ips: Vec<IpAddr>,
    /// Numbers of its ports.
    pub node_ports: Vec<NodePort>,
    /// Where load balancers ask for the node's health.
    pub health_check_node_port: Option<u16>,
    /// At most one of each family.
    pub load_balancer_ips: Vec<IpAddr>,
}

/// A port's number on the nodes' addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodePort {
    /// The port's name; empty: unnamed.
    pub port_name: String,
    /// The port's protocol.
    pub proto: Proto,
    /// The port on the clusterIP.
    pub port: u16,
    /// What was given.
    pub number: u16,
}

/// `spec.ipFamilyPolicy`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FamilyPolicy {
    /// One family.
    #[default]
    SingleStack,
    /// Two, if there are two.
    PreferDualStack,
    /// Two, or none at all.
    RequireDualStack,
}

impl FamilyPolicy {
    /// The policy with this name.
    pub fn of(name: &str) -> Option<Self> {
        let all = [
            Self::SingleStack,
            Self::PreferDualStack,
            Self::RequireDualStack,
        ];
        all.into_iter().find(|policy| policy.name() == name)
    }

    /// As Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SingleStack => "SingleStack",
            Self::PreferDualStack => "PreferDualStack",
            Self::RequireDualStack => "RequireDualStack",
        }
    }
}

impl Assignment {
    /// Whether nothing in it is worth remembering.
    pub(super) fn is_empty(&self) -> bool {
        // A Service that came when there was one family keeps one (rule 1.7.6).
        let is_content = self.policy == FamilyPolicy::PreferDualStack && self.families.len() == 1;
        !is_content
            && self.cluster_ips.is_empty()
            && self.node_ports.is_empty()
            && self.health_check_node_port.is_none()
            && self.load_balancer_ips.is_empty()
    }

    /// Every address.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        let ips = self.cluster_ips.iter().chain(&self.load_balancer_ips);
        ips.copied()
    }

    /// Every NodePort number, with the protocol that has it; a health-check port has them all.
    pub fn numbers(&self) -> impl Iterator<Item = (u16, Option<Proto>)> {
        let ports = self.node_ports.iter();
        let health = self.health_check_node_port.map(|number| (number, None));
        ports
            .map(|port| (port.number, Some(port.proto)))
            .chain(health)
    }
}
