//! One Service through all its types and back: after each step every frontend that it ever had is dialled.

use anyhow::{Context as _, Result};
use serde_json::json;
use tidegate_e2e::{Ep, Proto, Svc, World, all_silent, refused, served_by};

use crate::world;

/// A frontend of the walk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    Cluster,
    NodePort,
    Vip,
    External,
}

use At::{Cluster, External, NodePort, Vip};

const NUMBER: u8 = 1;

fn base() -> Svc {
    Svc::new("walker", NUMBER)
}

/// The steps: what it is then, and what of it can be dialled.
fn steps() -> Vec<(&'static str, Svc, Vec<At>)> {
    let none = Svc::internal("walker", NUMBER);
    let name = none
        .clone()
        .spec("type", json!("ExternalName"))
        .spec("externalName", json!("example.test"));
    let headless = none
        .clone()
        .spec("clusterIP", json!("None"))
        .spec("clusterIPs", json!(["None"]));
    vec![
        ("ClusterIP", none.clone(), vec![Cluster]),
        ("NodePort", base(), vec![Cluster, NodePort]),
        (
            "LoadBalancer",
            base().with_vip(),
            vec![Cluster, NodePort, Vip],
        ),
        (
            "ClusterIP with external IPs",
            none.clone().with_external_ip(),
            vec![Cluster, External],
        ),
        ("NodePort again", base(), vec![Cluster, NodePort]),
        // What a balancer wrote stays in the object for a while (rule 1.1.7).
        (
            "NodePort with the status of a LoadBalancer",
            base().with_vip().spec("type", json!("NodePort")),
            vec![Cluster, NodePort],
        ),
        ("ClusterIP again", none, vec![Cluster]),
        // Rule 1.1.5: the clusterIP is still in the object.
        ("ExternalName", name.clone(), vec![]),
        ("headless", headless.clone(), vec![]),
        (
            "everything",
            base().with_vip().with_external_ip(),
            vec![Cluster, NodePort, Vip, External],
        ),
        ("headless again", headless, vec![]),
        ("NodePort after headless", base(), vec![Cluster, NodePort]),
        ("ExternalName again", name, vec![]),
        (
            "LoadBalancer after ExternalName",
            base().with_vip(),
            vec![Cluster, NodePort, Vip],
        ),
    ]
}

#[test]
fn rule_1_1_6_and_1_1_4_and_1_1_5_and_1_1_7_types_change_and_old_frontends_stop() -> Result<()> {
    let world = world()?;
    for (what, svc, open) in steps() {
        world.put(&svc, &[Ep::of(world.a(1))])?;
        look(&world, &svc, &open).context(what)?;
    }
    world.remove(&base())?;
    look(&world, &base(), &[]).context("deleted")
}

fn look(world: &World, svc: &Svc, open: &[At]) -> Result<()> {
    let backend = [world.a(1).name.as_str()];
    let (pod, client) = (&world.a(2).ns, &world.scene.client);
    let mut dead = Vec::new();
    for v6 in [false, true] {
        for at in [Cluster, NodePort, Vip, External] {
            let (from, to) = match at {
                Cluster => (pod, svc.cluster(v6)),
                NodePort => (client, svc.node_port(world.node_address(v6))),
                Vip => (client, svc.vip(v6)),
                External => (client, svc.external(v6)),
            };
            for proto in Proto::BOTH {
                match (open.contains(&at), at) {
                    (true, _) => served_by(from, proto, to, &backend)?,
                    // The node's own answer: nobody listens.
                    (false, NodePort) => refused(from, proto, to)?,
                    (false, _) => dead.push((from, proto, to)),
                }
            }
        }
    }
    all_silent(&dead)
}

#[test]
fn rule_5_1_1_and_2_4_6_an_established_connection_survives_every_change_of_its_service()
-> Result<()> {
    use std::io::{Read as _, Write as _};

    let world = world()?;
    let svc = Svc::new("kept", 2).with_vip();
    world.put(&svc, &[Ep::of(world.b(1))])?;
    let mut streams = Vec::new();
    for v6 in [false, true] {
        for (from, to) in [
            (&world.a(2).ns, svc.cluster(v6)),
            (&world.scene.client, svc.node_port(world.node_address(v6))),
            (&world.scene.client, svc.vip(v6)),
            (&world.scene.a.ns, svc.cluster(v6)),
        ] {
            let mut stream = from.run(|| tidegate_e2e::dial(0, to))?;
            let _greeting = stream.read(&mut [0; 256])?;
            streams.push((to, stream));
        }
    }
    let proxied = Svc::new("kept", 2).with_vip_mode("Proxy");
    let local = svc
        .clone()
        .external_policy("Local")
        .internal_policy("Local");
    let headless = Svc::internal("kept", 2)
        .spec("clusterIP", json!("None"))
        .spec("clusterIPs", json!(["None"]));
    for (what, changed, endpoints) in [
        ("endpoint removed", &svc, vec![]),
        ("another endpoint", &svc, vec![Ep::of(world.a(1))]),
        ("policies Local", &local, vec![Ep::of(world.b(1))]),
        ("ipMode Proxy", &proxied, vec![Ep::of(world.b(1))]),
        ("headless", &headless, vec![]),
    ] {
        world.put(changed, &endpoints)?;
        for (to, stream) in &mut streams {
            stream
                .write_all(b"still")
                .with_context(|| format!("{what}: {to}"))?;
            let mut echo = [0; 5];
            stream
                .read_exact(&mut echo)
                .with_context(|| format!("{what}: {to}"))?;
        }
    }
    world.remove(&svc)?;
    for (to, stream) in &mut streams {
        stream
            .write_all(b"still")
            .with_context(|| format!("deleted: {to}"))?;
        stream
            .read_exact(&mut [0; 5])
            .with_context(|| format!("deleted: {to}"))?;
    }
    Ok(())
}
