//! What only one Service may have: a clusterIP, and the number of a nodePort or a health-check port
//! (rules 1.6.6, 1.6.7 and 1.6.9). The health-check port is of the same pool as the nodePorts, for no
//! NodePort may swallow the probes (rule 3.9.11).
//!
//! The oldest Service that claims something has it (rule 3.8.3, decision 10).

use std::{collections::HashMap, net::IpAddr, ops::Range};

use super::ServicePort;
use crate::{
    object::{Object, ObjectKey},
    problem::{Origin, Problem, Severity},
};

/// Something that one Service has, and no other.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Number {
    /// A clusterIP.
    Ip(IpAddr),
    /// A port on the nodes' addresses, whatever the protocol.
    Port(u16),
}

/// A Service's wish for a number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Claim {
    pub(crate) number: Number,
    field: Field,
    /// Which of the Service's ports it is for.
    ports: Range<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    ClusterIp,
    HealthCheck,
    /// With the port's place in `spec.ports`.
    NodePort(usize),
}

/// A Service's ports, and the claims that stand behind their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) ports: Vec<ServicePort>,
    pub(crate) claims: Vec<Claim>,
}

/// Who has a number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Owner {
    pub(crate) key: ObjectKey,
    pub(crate) origin: Origin,
}

/// The owners so far, while Services are asked oldest first: the first claim wins.
#[derive(Default)]
pub(super) struct Claims(HashMap<Number, Owner>);

impl Draft {
    /// Notes that ports want a number.
    pub(super) fn claim_cluster_ip(&mut self, ip: IpAddr, ports: Range<usize>) {
        let number = Number::Ip(ip);
        let field = Field::ClusterIp;
        self.claims.push(Claim {
            number,
            field,
            ports,
        });
    }

    /// Notes the numbers that the newest port wants.
    pub(super) fn claim_ports(&mut self) {
        let Some((last, port)) = self.ports.iter().enumerate().next_back() else {
            return;
        };
        let health = port
            .health_check_node_port
            .map(|it| (it, Field::HealthCheck));
        let node = port.node_port.map(|it| (it, Field::NodePort(port.index)));
        let both = health.into_iter().chain(node);
        self.claims.extend(both.map(|(number, field)| Claim {
            number: Number::Port(number),
            field,
            ports: last..last + 1,
        }));
    }

    /// Gives the ports the numbers that are the Service's, and takes the others away. `other` says whose a
    /// number is, if not this Service's. Returns what the Service lost to whom, each once.
    pub(crate) fn settle(
        &mut self,
        object: (&ObjectKey, &Origin),
        mut other: impl FnMut(Number) -> Option<Owner>,
    ) -> Vec<Problem> {
        let (mut problems, mut told) = (Vec::new(), Vec::new());
        for claim in &self.claims {
            let owner = other(claim.number);
            for port in &mut self.ports[claim.ports.clone()] {
                claim.grant(port, owner.is_none());
            }
            if let Some(owner) = owner
                && !told.contains(&claim.number)
            {
                told.push(claim.number);
                problems.push(claim.problem(object, &owner));
            }
        }
        problems
    }
}

impl Claim {
    fn grant(&self, port: &mut ServicePort, is_own: bool) {
        match (self.field, self.number) {
            (Field::ClusterIp, Number::Ip(ip)) => port.cluster_ip = is_own.then_some(ip),
            (Field::HealthCheck, Number::Port(number)) => {
                port.health_check_node_port = is_own.then_some(number);
            }
            (_, Number::Port(number)) => port.node_port = is_own.then_some(number),
            (_, Number::Ip(_)) => {}
        }
    }

    fn problem(&self, (key, origin): (&ObjectKey, &Origin), owner: &Owner) -> Problem {
        let (field, what) = match (self.field, self.number) {
            (Field::HealthCheck, Number::Port(number)) => (
                "spec.healthCheckNodePort".to_owned(),
                format!("port {number}"),
            ),
            (Field::NodePort(index), Number::Port(number)) => (
                format!("spec.ports[{index}].nodePort"),
                format!("nodePort {number}"),
            ),
            (_, Number::Port(number)) => (String::new(), format!("port {number}")),
            (_, Number::Ip(ip)) => ("spec.clusterIP".to_owned(), format!("clusterIP {ip}")),
        };
        let Owner {
            key: other,
            origin: place,
        } = owner;
        let reason = format!("{what} belongs to the older {other} ({place}); not programmed");
        Problem::at(origin, Severity::Error, reason)
            .object(key.to_string())
            .field(field)
    }
}

impl Claims {
    /// Whose the number is, if not this Service's; whoever asks first has it.
    pub(super) fn other(&mut self, number: Number, object: &Object) -> Option<Owner> {
        let owner = self.0.entry(number).or_insert_with(|| Owner {
            key: object.key.clone(),
            origin: object.origin.clone(),
        });
        (owner.key != object.key).then(|| owner.clone())
    }
}
