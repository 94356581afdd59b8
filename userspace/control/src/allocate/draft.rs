//! One Service on its way through the rounds: what it asks for, what it had, what it gets.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use tidegate_abi::Proto;

use super::{
    Assignment, NodePort, Random, Ranges, Request, balancer, cluster_ips,
    families::Families,
    node_ports,
    taken::{How, Owner, Taken},
};
use crate::{
    model::spec::{self, Type},
    object::{Object, ObjectKey},
    problem::{Problem, Severity},
    validate,
};

/// What is wrong with a field of a Service.
#[derive(Debug)]
pub(super) struct Fault {
    field: String,
    reason: String,
}

/// A place for a number.
#[derive(Clone, Debug)]
pub(super) struct Slot<N> {
    /// What the manifest names.
    pub(super) asked: Option<N>,
    /// What the Service was given before.
    pub(super) before: Option<N>,
    /// It is to be filled, if it can be.
    pub(super) is_wanted: bool,
    /// What the Service has now, and whether it was given.
    pub(super) got: Option<(N, How)>,
    /// What it was given before, and may not use as the ranges are now.
    pub(super) parked: Option<N>,
}

/// A Service and its numbers.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) object: &'a Arc<Object>,
    pub(super) service: &'a Service,
    pub(super) spec: &'a ServiceSpec,
    pub(super) before: Option<&'a Assignment>,
    pub(super) families: Families,
    /// One for each family.
    pub(super) cluster_ips: Vec<Slot<std::net::IpAddr>>,
    /// One for each port, with its protocol; none where the type has no nodePorts.
    pub(super) node_ports: Vec<(Proto, Slot<u16>)>,
    pub(super) health: Option<Slot<u16>>,
    /// One for each family, where a pool is asked.
    pub(super) balancer_ips: Vec<Slot<std::net::IpAddr>>,
    /// Addresses of the manifest's status that another Service was given.
    pub(super) lost_ingress: Vec<usize>,
    /// It has no clusterIP, and can have none: nothing else is done for it.
    pub(super) is_refused: bool,
}

impl Fault {
    pub(super) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn into_problem(self, object: &Object, severity: Severity) -> Problem {
        Problem::with(object, severity, self.reason).field(self.field)
    }
}

impl<N: Copy> Slot<N> {
    pub(super) fn new(asked: Option<N>, before: Option<N>) -> Self {
        Self {
            asked,
            before,
            is_wanted: true,
            got: None,
            parked: None,
        }
    }

    /// What the Service has now.
    pub(super) fn number(&self) -> Option<N> {
        self.got.map(|(number, _)| number)
    }

    /// What it was given and is to be remembered.
    pub(super) fn given(&self) -> Option<N> {
        let given = self.got.filter(|(_, how)| *how == How::Given);
        given.map(|(number, _)| number).or(self.parked)
    }

    /// Asked for, and not granted.
    pub(super) fn is_denied(&self) -> bool {
        self.asked.is_some() && self.got.is_none_or(|(_, how)| how == How::Given)
    }
}

impl<'a> Draft<'a> {
    /// None for what needs no numbers: ExternalNames, what has been given them by an API server, and
    /// what is no Service.
    pub(super) fn new(
        object: &'a Arc<Object>,
        request: &Request<'a>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let service = object.service().filter(|_| !object.settled)?;
        let spec = service
            .spec
            .as_ref()
            .filter(|spec| Type::of(spec) != Type::ExternalName)?;
        let before = request.before.get(&object.key);
        let families = Families::decide(spec, before, request.ranges).unwrap_or_else(|fault| {
            problems.push(fault.into_problem(object, Severity::Error));
            Families::of(before)
        });
        let mut draft = Self {
            object,
            service,
            spec,
            before,
            is_refused: families.list.is_empty(),
            cluster_ips: cluster_ips::slots(spec, &families, before),
            node_ports: node_ports::slots(spec, before),
            health: node_ports::health_slot(spec, before),
            balancer_ips: Vec::new(),
            lost_ingress: Vec::new(),
            families,
        };
        let (slots, fault) = balancer::slots(&draft, request.ranges);
        draft.balancer_ips = slots;
        problems.extend(fault.map(|fault| fault.into_problem(object, Severity::Error)));
        Some(draft)
    }

    /// The first round.
    pub(super) fn keep(
        &mut self,
        taken: &mut Taken<'a>,
        ranges: &Ranges,
        problems: &mut Vec<Problem>,
    ) {
        self.keep_cluster_ips(taken, ranges, problems);
        self.keep_ports(taken, ranges, problems);
        self.keep_balancer_ips(taken, ranges);
    }

    /// The second round.
    pub(super) fn ask(
        &mut self,
        taken: &mut Taken<'a>,
        ranges: &Ranges,
        problems: &mut Vec<Problem>,
    ) {
        self.ask_cluster_ips(taken, ranges, problems);
        if !self.is_refused {
            self.ask_ports(taken, problems);
            self.ask_balancer_ips(taken, ranges, problems);
        }
    }

    /// The third round.
    pub(super) fn assign(
        &mut self,
        taken: &mut Taken<'a>,
        ranges: &Ranges,
        random: Random<'_>,
        problems: &mut Vec<Problem>,
    ) {
        if !self.is_refused {
            self.assign_cluster_ips(taken, ranges, random, problems);
        }
        if !self.is_refused {
            self.assign_ports(taken, ranges, random, problems);
            self.assign_balancer_ips(taken, ranges, problems);
        }
    }

    pub(super) fn key(&self) -> &'a ObjectKey {
        &self.object.key
    }

    pub(super) fn owner(&self, how: How) -> Owner<'a> {
        Owner::of(self.object, how)
    }

    pub(super) fn is_headless(&self) -> bool {
        spec::is_headless(self.spec)
    }

    /// What is to be remembered.
    pub(super) fn after(&self) -> Option<Assignment> {
        let ports = self.spec.ports.iter().flatten().zip(&self.node_ports);
        let node_ports = ports.filter_map(|(port, (proto, slot))| {
            Some(NodePort {
                port_name: port.name.clone().unwrap_or_default(),
                proto: *proto,
                port: u16::try_from(port.port).ok()?,
                number: slot.given()?,
            })
        });
        let after = Assignment {
            families: self.families.list.clone(),
            policy: self.families.policy,
            cluster_ips: self.cluster_ips.iter().filter_map(Slot::given).collect(),
            node_ports: node_ports.collect(),
            health_check_node_port: self.health.as_ref().and_then(Slot::given),
            load_balancer_ips: self.balancer_ips.iter().filter_map(Slot::given).collect(),
        };
        (!self.is_headless() && !after.is_empty()).then_some(after)
    }

    pub(super) fn error(&self, field: impl Into<String>, reason: impl Into<String>) -> Problem {
        Fault::new(field, reason).into_problem(self.object, Severity::Error)
    }

    pub(super) fn warning(&self, field: impl Into<String>, reason: impl Into<String>) -> Problem {
        Fault::new(field, reason).into_problem(self.object, Severity::Warning)
    }
}

/// The protocol of a port that was found valid.
pub(super) fn proto(name: Option<&str>) -> Proto {
    validate::protocol(name).unwrap_or(Proto::TCP)
}
