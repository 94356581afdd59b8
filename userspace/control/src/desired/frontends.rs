//! The frontends of a service port, and who owns a frontend that two claim (rule 3.8.3).

use std::{collections::HashMap, net::IpAddr};

use tidegate_abi::{Address, FrontendKey, Port, frontend::flags};

use crate::{
    model::{ServicePort, claims::Owner},
    node::NodeFacts,
    object::{Kind, ObjectKey},
    problem::{Origin, Problem},
};

/// Who owns each frontend so far.
pub(super) struct Owners<'a, A>(HashMap<FrontendKey<A>, &'a ServicePort>);

/// A frontend that a service port asks for.
pub(crate) struct Claim<A> {
    pub(crate) key: FrontendKey<A>,
    flags: u32,
    field: Field,
}

/// Where a frontend comes from.
#[derive(Clone, Copy)]
enum Field {
    ClusterIp,
    ExternalIp,
    LoadBalancer,
    NodePort,
}

impl<A> Default for Owners<'_, A> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<'a, A: Address> Owners<'a, A> {
    /// The frontends that the service port gets; the others have an older owner.
    pub(super) fn grant(
        &mut self,
        port: &'a ServicePort,
        node: &NodeFacts,
        problems: &mut Vec<Problem>,
    ) -> Vec<(FrontendKey<A>, u32)> {
        let claims = claims(port, node);
        let other = |key| {
            let owner = *self.0.entry(key).or_insert(port);
            (owner.key != port.key).then(|| Owner::of(owner))
        };
        grant(port, claims, other, problems)
    }
}

impl Owner {
    fn of(port: &ServicePort) -> Self {
        Self {
            key: ObjectKey::of(Kind::Service, &port.key.namespace, &port.key.service),
            origin: port.origin.clone(),
        }
    }
}

/// Of what a service port claims that which it gets. `other` says who has it, if not this service port.
pub(crate) fn grant<A: Address>(
    port: &ServicePort,
    claims: Vec<Claim<A>>,
    mut other: impl FnMut(FrontendKey<A>) -> Option<Owner>,
    problems: &mut Vec<Problem>,
) -> Vec<(FrontendKey<A>, u32)> {
    let mut granted: Vec<(FrontendKey<A>, u32)> = Vec::new();
    for claim in claims {
        if let Some(owner) = other(claim.key) {
            problems.push(clash(&claim, port, &owner));
        } else if let Some((_, flags)) = granted.iter_mut().find(|(key, _)| *key == claim.key) {
            // An address that is both external IP and load-balancer address.
            if *flags & flags::INTERNAL == 0 {
                *flags |= claim.flags;
            }
        } else {
            granted.push((claim.key, claim.flags));
        }
    }
    granted
}

/// All frontends that a service port asks for.
pub(crate) fn claims<A: Address>(port: &ServicePort, node: &NodeFacts) -> Vec<Claim<A>> {
    let only = |local: bool| if local { flags::LOCAL_ONLY } else { 0 };
    let external = only(port.external_local);
    let guard = if port.source_ranges.is_empty() {
        0
    } else {
        flags::SOURCE_RANGES
    };
    // Rule 3.6.1 and decision 9: load-balancer addresses only, unless the Service asks for more.
    let guard_more = if port.ranges_guard_all { guard } else { 0 };
    let mut claims = Vec::new();
    let mut add = |ip: Option<A>, number: u16, flags: u32, field: Field| {
        let key = |ip| FrontendKey::new(ip, Port::new(number), port.key.proto);
        claims.extend(ip.map(|ip| Claim {
            key: key(ip),
            flags,
            field,
        }));
    };
    let number = port.port;
    if let Some(ip) = port.cluster_ip {
        let flags = flags::INTERNAL | only(port.internal_local);
        add(A::from_ip(ip), number, flags, Field::ClusterIp);
    }
    for &ip in &port.external_ips {
        let flags = external | guard_more;
        add(A::from_ip(ip), number, flags, Field::ExternalIp);
    }
    for &ip in &port.lb_ips {
        let flags = external | flags::LOAD_BALANCER | guard;
        add(A::from_ip(ip), number, flags, Field::LoadBalancer);
    }
    if let Some(number) = port.node_port {
        let flags = external | flags::NODE_PORT | guard_more;
        for &ip in node.addresses.iter().filter(|ip| !ip.is_unspecified()) {
            add(A::from_ip(ip), number, flags, Field::NodePort);
        }
        // Stands for the loopback addresses, in the socket hook only.
        add(Some(A::default()), number, flags, Field::NodePort);
    }
    claims
}

fn clash<A: Address>(claim: &Claim<A>, port: &ServicePort, owner: &Owner) -> Problem {
    let field = match claim.field {
        Field::ClusterIp => "spec.clusterIP".to_owned(),
        Field::ExternalIp => "spec.externalIPs".to_owned(),
        Field::LoadBalancer => "status.loadBalancer.ingress".to_owned(),
        Field::NodePort => format!("spec.ports[{}].nodePort", port.index),
    };
    let address = dialled(claim.key.addr.to_ip(), claim.key.port.get());
    let proto = claim.key.proto.name().unwrap_or_default();
    let object = &owner.key;
    let Origin { file, document } = &owner.origin;
    let reason = format!(
        "{address} {proto} belongs to the older {object} ({file}: document {document}); \
         not programmed"
    );
    port.problem(&field, reason)
}

fn dialled(ip: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(ip, port).to_string()
}
