//! The frontends of a service port, and who owns a frontend that two claim (rule 3.8.3).

use std::{collections::HashMap, net::IpAddr};

use tidegate_abi::{Address, FrontendKey, Port, frontend::flags};

use crate::{
    model::ServicePort,
    node::NodeFacts,
    problem::{Origin, Problem},
};

/// Who owns each frontend so far.
pub(super) struct Owners<'a, A>(HashMap<FrontendKey<A>, &'a ServicePort>);

struct Claim<A> {
    key: FrontendKey<A>,
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
        let mut granted: Vec<(FrontendKey<A>, u32)> = Vec::new();
        for claim in claims(port, node) {
            let owner = *self.0.entry(claim.key).or_insert(port);
            if owner.key != port.key {
                problems.push(clash(&claim, port, owner));
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
}

fn claims<A: Address>(port: &ServicePort, node: &NodeFacts) -> Vec<Claim<A>> {
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

fn clash<A: Address>(claim: &Claim<A>, port: &ServicePort, owner: &ServicePort) -> Problem {
    let field = match claim.field {
        Field::ClusterIp => "spec.clusterIP".to_owned(),
        Field::ExternalIp => "spec.externalIPs".to_owned(),
        Field::LoadBalancer => "status.loadBalancer.ingress".to_owned(),
        Field::NodePort => format!("spec.ports[{}].nodePort", port.index),
    };
    let address = dialled(claim.key.addr.to_ip(), claim.key.port.get());
    let (proto, object) = (
        claim.key.proto.name().unwrap_or_default(),
        owner.key.object(),
    );
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
