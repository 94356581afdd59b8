//! What only one Service may have: a clusterIP, and the number of a nodePort or a health-check port
//! (rules 1.6.6, 1.6.7 and 1.6.9).
//!
//! Services are asked oldest first, so the first claim wins (rule 3.8.3, decision 10).

use std::{collections::HashMap, net::IpAddr};

use crate::{
    object::{Object, ObjectKey},
    problem::{Origin, Problem, Severity},
};

#[derive(Default)]
pub(super) struct Claims {
    cluster_ips: HashMap<IpAddr, Owner>,
    node_ports: HashMap<u16, Owner>,
}

struct Owner {
    key: ObjectKey,
    origin: Origin,
    /// Whose claims were refused; both families and both protocols of a port ask alike.
    told: Vec<ObjectKey>,
}

impl Claims {
    /// Whether the Service has this clusterIP for itself.
    pub(super) fn cluster_ip(
        &mut self,
        object: &Object,
        ip: IpAddr,
        problems: &mut Vec<Problem>,
    ) -> bool {
        let what = format!("clusterIP {ip}");
        let owner = self
            .cluster_ips
            .entry(ip)
            .or_insert_with(|| Owner::new(object));
        owner.admits(object, "spec.clusterIP", &what, problems)
    }

    /// Whether the Service has this nodePort for itself, whatever the protocol.
    pub(super) fn node_port(
        &mut self,
        object: &Object,
        index: usize,
        number: u16,
        problems: &mut Vec<Problem>,
    ) -> bool {
        let (field, what) = (
            format!("spec.ports[{index}].nodePort"),
            format!("nodePort {number}"),
        );
        let owner = self
            .node_ports
            .entry(number)
            .or_insert_with(|| Owner::new(object));
        owner.admits(object, &field, &what, problems)
    }

    /// Whether the Service has this health-check port for itself: its number is of the same pool as the
    /// nodePorts' (rule 1.6.9), and no NodePort may swallow the probes (rule 3.9.11).
    pub(super) fn health_check_port(
        &mut self,
        object: &Object,
        number: u16,
        problems: &mut Vec<Problem>,
    ) -> bool {
        let what = format!("port {number}");
        let owner = self
            .node_ports
            .entry(number)
            .or_insert_with(|| Owner::new(object));
        owner.admits(object, "spec.healthCheckNodePort", &what, problems)
    }
}

impl Owner {
    fn new(object: &Object) -> Self {
        Self {
            key: object.key.clone(),
            origin: object.origin.clone(),
            told: Vec::new(),
        }
    }

    fn admits(
        &mut self,
        object: &Object,
        field: &str,
        what: &str,
        problems: &mut Vec<Problem>,
    ) -> bool {
        let own = self.key == object.key;
        if !own && !self.told.contains(&object.key) {
            self.told.push(object.key.clone());
            let Self { key, origin, .. } = self;
            let reason = format!("{what} belongs to the older {key} ({origin}); not programmed");
            problems.push(Problem::with(object, Severity::Error, reason).field(field));
        }
        own
    }
}
