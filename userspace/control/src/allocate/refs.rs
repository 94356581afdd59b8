//! The numbers that a Service refers to.

use std::{net::IpAddr, sync::Arc};

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::{Assignment, balancer};
use crate::{
    address,
    model::{
        claims::Number,
        spec::{self, Type},
    },
    object::Object,
};

/// The numbers that a Service refers to; each list sorted, each number once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Refs {
    /// It asks for them, or was given them.
    pub(super) wanted: Vec<Number>,
    /// Its status says that a load balancer has them.
    pub(super) shown: Vec<IpAddr>,
    /// Nobody is to be given them.
    pub(super) used: Vec<Number>,
}

impl Refs {
    /// Of a Service as it is written, and of what it was given before.
    pub(super) fn of(object: Option<&Arc<Object>>, before: Option<&Assignment>) -> Self {
        let mut refs = Self::default();
        if let Some(before) = before {
            refs.wanted.extend(before.ips().map(Number::Ip));
            let numbers = before.numbers();
            refs.wanted.extend(numbers.map(|(it, _)| Number::Port(it)));
        }
        if let Some((object, service)) = object.and_then(|it| Some((it, it.service()?))) {
            refs.add(object, service);
        }
        refs.wanted.sort_unstable();
        refs.wanted.dedup();
        refs.shown.sort_unstable();
        refs.shown.dedup();
        refs.used.sort_unstable();
        refs.used.dedup();
        refs
    }

    fn add(&mut self, object: &Object, service: &Service) {
        let ingress = spec::ingress(service).iter();
        let ingress = ingress.filter_map(|it| address::parse(it.ip.as_deref()?));
        let shown: Vec<IpAddr> = ingress.collect();
        self.used.extend(shown.iter().copied().map(Number::Ip));
        let spec = service.spec.as_ref();
        self.used.extend(
            spec.into_iter()
                .flat_map(spec::external_ips)
                .map(Number::Ip),
        );
        let Some(spec) = spec else { return };
        if object.settled {
            self.used.extend(spec::cluster_ips(spec).map(Number::Ip));
            self.used.extend(numbers(spec).map(Number::Port));
        } else if Type::of(spec) != Type::ExternalName {
            self.wanted.extend(spec::cluster_ips(spec).map(Number::Ip));
            self.wanted.extend(numbers(spec).map(Number::Port));
            let balancer = balancer::named(service, spec);
            self.wanted.extend(balancer.map(Number::Ip));
            self.shown = shown;
        }
    }
}

/// The NodePort numbers of a Service, and its health-check port, whether it has use for them or not.
pub(super) fn numbers(spec: &ServiceSpec) -> impl Iterator<Item = u16> {
    let ports = spec
        .ports
        .iter()
        .flatten()
        .filter_map(|port| port.node_port);
    let all = ports.chain(spec.health_check_node_port);
    all.filter_map(|number| u16::try_from(number).ok())
}
