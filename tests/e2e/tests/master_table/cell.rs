//! One cell: asks until both endpoints were met or chance is ruled out, and says it as the table does.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tidegate_e2e::{Answer, Outcome, Proto, Svc, World, probe};

use crate::table::{Source, To};

/// Of two endpoints each is met with one half: one is missed once in 2^26.
const MOST: usize = 27;
/// So many at least, since the next flow may be treated otherwise.
const LEAST: usize = 6;

/// What the cell is: `both –`, `local –, remote M`, and so on, or what went wrong.
pub(crate) fn run(
    world: &World,
    source: Source,
    svc: &Svc,
    to: To,
    v6: bool,
    proto: Proto,
) -> String {
    let dialled = address(world, svc, to, v6);
    let from = match source {
        Source::Pod => &world.a(2).ns,
        Source::Node => &world.scene.a.ns,
        Source::OffCluster => &world.scene.client,
    };
    let mut met: BTreeSet<(&str, &str)> = BTreeSet::new();
    for nth in 0..MOST {
        if nth >= LEAST
            && met
                .iter()
                .map(|(place, _)| place)
                .collect::<BTreeSet<_>>()
                .len()
                == 2
        {
            break;
        }
        match probe(from, proto, dialled) {
            Outcome::Answered(answer) => {
                match (place(world, &answer), seen(world, source, &answer, v6)) {
                    (Some(place), Ok(seen)) => drop(met.insert((place, seen))),
                    (None, _) => return format!("answered by {}", answer.backend),
                    (_, Err(seen)) => return format!("seen as {seen} by {}", answer.backend),
                }
            }
            other => return format!("{other:?} after {nth} answers, dialling {dialled}"),
        }
    }
    say(&met)
}

fn address(world: &World, svc: &Svc, to: To, v6: bool) -> SocketAddr {
    let node = world.scene.a.addresses()[usize::from(v6)];
    match to {
        To::ClusterIp => svc.cluster(v6),
        To::NodePort => svc.node_port(node),
        To::Loopback if v6 => svc.node_port(Ipv6Addr::LOCALHOST),
        To::Loopback => svc.node_port(Ipv4Addr::LOCALHOST),
        To::LoadBalancer => svc.vip(v6),
        To::ExternalIp => svc.external(v6),
    }
}

fn place(world: &World, answer: &Answer) -> Option<&'static str> {
    if answer.backend == world.a(1).name {
        Some("local")
    } else if answer.backend == world.b(1).name {
        Some("remote")
    } else {
        None
    }
}

/// Whether the endpoint saw the client's own address or the node's. A process of the node has the
/// node's address either way, which is what "M" means there.
fn seen(world: &World, source: Source, answer: &Answer, v6: bool) -> Result<&'static str, IpAddr> {
    let ip = answer.seen_as.ip().to_canonical();
    let own = match source {
        Source::Pod => Some(world.a(2).addresses()[usize::from(v6)]),
        Source::OffCluster => Some(world.client_address(v6)),
        Source::Node => None,
    };
    if Some(ip) == own {
        Ok("–")
    } else if world.scene.a.addresses().contains(&ip) {
        Ok("M")
    } else {
        Err(ip)
    }
}

fn say(met: &BTreeSet<(&str, &str)>) -> String {
    let list: Vec<&(&str, &str)> = met.iter().collect();
    match list[..] {
        [(_, one), (_, other)] if one == other => format!("both {one}"),
        _ => list
            .iter()
            .map(|(place, seen)| format!("{place} {seen}"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
