//! Nobody serves: refused. Nobody serves here: silence.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, refused, served_by, silent};
use tidegate_rig::Netns;

use crate::world;

fn full(name: &str, number: u8, internal: &str, external: &str) -> Svc {
    Svc::new(name, number)
        .with_vip()
        .with_external_ip()
        .internal_policy(internal)
        .external_policy(external)
}

/// Who dials what of a Service from where.
fn dials<'a>(world: &'a World, svc: &Svc, v6: bool) -> Vec<(&'a Netns, SocketAddr)> {
    let external = [
        svc.node_port(world.node_address(v6)),
        svc.vip(v6),
        svc.external(v6),
    ];
    let mut dials = Vec::new();
    for from in [&world.a(2).ns, &world.scene.a.ns] {
        dials.push((from, svc.cluster(v6)));
    }
    for from in [&world.a(2).ns, &world.scene.a.ns, &world.scene.client] {
        dials.extend(external.map(|to| (from, to)));
    }
    dials
}

#[test]
fn rule_2_4_1_and_2_4_4_every_frontend_refuses_without_endpoints_under_every_policy() -> Result<()>
{
    let world = world()?;
    for (number, (internal, external)) in [
        ("Cluster", "Cluster"),
        ("Local", "Cluster"),
        ("Cluster", "Local"),
        ("Local", "Local"),
    ]
    .into_iter()
    .enumerate()
    {
        let number = 21 + u8::try_from(number)?;
        let svc = full(&format!("empty-{number}"), number, internal, external);
        world.put(&svc, &[])?;
        for v6 in [false, true] {
            for (from, to) in dials(&world, &svc, v6) {
                for proto in Proto::BOTH {
                    refused(from, proto, to)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn rule_2_4_2_and_2_3_1_and_2_3_2_local_without_local_endpoints_is_silent() -> Result<()> {
    let world = world()?;
    let b1 = world.b(1);
    for (number, internal, external) in [(31, "Local", "Cluster"), (32, "Cluster", "Local")] {
        let svc = full(&format!("elsewhere-{number}"), number, internal, external);
        world.put(&svc, &[Ep::of(b1)])?;
        for v6 in [false, true] {
            let node_port = svc.node_port(world.node_address(v6));
            let (pod, client) = (
                (&world.a(2).ns, svc.cluster(v6)),
                (&world.scene.client, node_port),
            );
            let (closed, open) = if internal == "Local" {
                (pod, client)
            } else {
                (client, pod)
            };
            for proto in Proto::BOTH {
                let before = world.counted("no_local_endpoint")?;
                silent(closed.0, proto, closed.1)?;
                ensure!(world.counted("no_local_endpoint")? > before, "not counted");
                served_by(open.0, proto, open.1, &[&b1.name])?;
            }
        }
    }
    Ok(())
}

#[test]
fn rule_2_4_9_and_2_4_10_and_2_4_11_stray_ports_and_addresses() -> Result<()> {
    let world = world()?;
    let svc = full("stray", 33, "Cluster", "Cluster");
    world.put(&svc, &[Ep::of(world.a(1))])?;
    for v6 in [false, true] {
        let other = |to: SocketAddr| SocketAddr::new(to.ip(), 81);
        for proto in Proto::BOTH {
            // A clusterIP is ours, whatever the port.
            refused(&world.a(2).ns, proto, other(svc.cluster(v6)))?;
            refused(&world.scene.a.ns, proto, other(svc.cluster(v6)))?;
            // Nobody's address of the range is nobody's, and goes nowhere.
            let unowned = Svc::new("unowned", 250).cluster(v6);
            let before = world.counted("not_owned")?;
            silent(&world.a(2).ns, proto, unowned)?;
            ensure!(world.counted("not_owned")? > before, "not counted");
            // Other ports of an external address are not ours: routed on, here to a router that is deaf.
            let before = world.counted("not_service")?;
            silent(&world.scene.client, proto, other(svc.vip(v6)))?;
            silent(&world.scene.client, proto, other(svc.external(v6)))?;
            ensure!(world.counted("not_service")? > before, "not passed");
        }
    }
    Ok(())
}
