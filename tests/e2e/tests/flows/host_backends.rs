//! Backends in the network of a node: of this one, and of the other.

use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};
use tidegate_e2e::{Ep, Outcome, Proto, Svc, World, probe};
use tidegate_rig::EchoServer;

use crate::world;

#[test]
fn rule_3_2_8_and_3_1_17_and_3_3_7_processes_of_both_nodes_serve_pods_clients_and_the_node()
-> Result<()> {
    let world = world()?;
    let svc = Svc::new("on-nodes", 1);
    let (a, b) = (&world.scene.a, &world.scene.b);
    for node in [a, b] {
        let _server = EchoServer::start(&node.ns, node.name, 8080)?;
        world.put(&svc, &[Ep::at(node.addresses(), node.name)])?;
        for v6 in [false, true] {
            let index = usize::from(v6);
            let own = world.node_address(v6);
            let pod = world.a(2).addresses()[index];
            let client = world.client_address(v6);
            let here = node.name == a.name;
            // As in the master table; a process that meets itself has one of the node's addresses.
            for (from, to, source) in [
                (&world.a(2).ns, svc.cluster(v6), pod),
                (
                    &world.a(2).ns,
                    svc.node_port(own),
                    if here { pod } else { own },
                ),
                (
                    &world.scene.client,
                    svc.node_port(own),
                    if here { client } else { own },
                ),
                (&a.ns, svc.cluster(v6), own),
                (&a.ns, svc.node_port(own), own),
            ] {
                for proto in Proto::BOTH {
                    let outcome = probe(from, proto, to);
                    let Outcome::Answered(answer) = &outcome else {
                        bail!(
                            "{proto:?} {} to {to} on {}: {outcome:?}",
                            from.name(),
                            node.name
                        );
                    };
                    let seen = answer.seen_as.ip().to_canonical();
                    ensure!(
                        answer.backend == node.name && seen == source,
                        "{proto:?} {} to {to}: {answer:?}, expected {source}",
                        from.name()
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn rule_2_3_10_policy_local_goes_by_the_node_and_not_by_the_address() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("by-node", 2).internal_policy("Local");
    let _server = EchoServer::start(&world.scene.a.ns, "nodea", 8080)?;
    // A process of this node counts; one of the other does not, for host processes too.
    world.put(
        &svc,
        &[
            Ep::at(world.scene.a.addresses(), "nodea"),
            Ep::of(world.b(1)),
        ],
    )?;
    for proto in Proto::BOTH {
        for from in [&world.a(2).ns, &world.scene.a.ns] {
            tidegate_e2e::served_by(from, proto, svc.cluster(false), &["nodea"])?;
        }
    }
    world.put(&svc, &[Ep::at(world.scene.b.addresses(), "nodeb")])?;
    for proto in Proto::BOTH {
        tidegate_e2e::silent(&world.a(2).ns, proto, svc.cluster(false))?;
        // The socket's call fails.
        let outcome = probe(&world.scene.a.ns, proto, svc.cluster(false));
        ensure!(!matches!(outcome, Outcome::Answered(_)), "{outcome:?}");
    }
    Ok(())
}

#[test]
fn rule_5_1_1_connections_to_a_process_outlive_its_being_an_endpoint() -> Result<()> {
    let mut world = World::builder().build()?;
    let (node, client) = (world.scene.a.ns.clone(), world.scene.client.clone());
    let svc = Svc::new("once-here", 3);
    let _server = EchoServer::start(&node, "nodea", 8080)?;
    world.put(&svc, &[Ep::at(world.scene.a.addresses(), "nodea")])?;
    let to = [false, true].map(|v6| svc.node_port(world.node_address(v6)));
    let open = |to: &SocketAddr| client.run(|| tidegate_e2e::open(*to));
    let mut streams = to.iter().map(open).collect::<Result<Vec<_>>>()?;
    world.put(&svc, &[Ep::of(world.b(1))])?;
    streams.iter_mut().try_for_each(tidegate_e2e::goes_on)?;
    world.remove(&svc)?;
    streams.iter_mut().try_for_each(tidegate_e2e::goes_on)?;
    // Nor does the next agent know of it.
    world.upgrade_agent()?;
    streams.iter_mut().try_for_each(tidegate_e2e::goes_on)
}
