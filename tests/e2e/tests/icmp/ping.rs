//! Pings of service addresses.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Svc, World, ping};
use tidegate_rig::Netns;

use crate::world;

/// Longer than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(500);

/// Who may ping what of a Service with a load-balancer address.
fn pings<'a>(world: &'a World, svc: &Svc, v6: bool) -> [(&'a Netns, IpAddr); 3] {
    [
        (&world.a(2).ns, svc.cluster(v6).ip()),
        (&world.a(2).ns, svc.vip(v6).ip()),
        (&world.scene.client, svc.vip(v6).ip()),
    ]
}

#[test]
fn rule_2_4_12_cluster_ips_and_load_balancer_addresses_answer_pings_whoever_serves() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("alive", 21).with_vip();
    for endpoints in [vec![Ep::of(world.a(1))], vec![Ep::of(world.b(1))], vec![]] {
        world.put(&svc, &endpoints)?;
        for v6 in [false, true] {
            for (from, to) in pings(&world, &svc, v6) {
                let before = world.counted("ping_answered")?;
                ensure!(
                    ping(from, to, PATIENCE)?,
                    "{} to {to}: no reply",
                    from.name()
                );
                ensure!(world.counted("ping_answered")? > before, "{to}: not by us");
            }
        }
    }
    Ok(())
}

#[test]
fn rule_2_4_12_a_service_may_refuse_pings_and_strangers_do_not_ping_cluster_ips() -> Result<()> {
    let world = world()?;
    let on = Svc::new("shy", 22).with_vip();
    let off = on.clone().annotation("tidegate.io/ping", "false");
    for _ in 0..2 {
        world.put(&off, &[Ep::of(world.a(1))])?;
        for v6 in [false, true] {
            for (from, to) in pings(&world, &off, v6) {
                ensure!(
                    !ping(from, to, SILENCE)?,
                    "{} to {to}: a reply",
                    from.name()
                );
            }
        }
        world.put(&on, &[Ep::of(world.a(1))])?;
        for v6 in [false, true] {
            for (from, to) in pings(&world, &on, v6) {
                ensure!(
                    ping(from, to, PATIENCE)?,
                    "{} to {to}: no reply",
                    from.name()
                );
            }
            let cluster = on.cluster(v6).ip();
            ensure!(
                !ping(&world.scene.client, cluster, SILENCE)?,
                "a stranger pinged {cluster}"
            );
        }
    }
    world.remove(&on)?;
    for v6 in [false, true] {
        for (from, to) in pings(&world, &on, v6) {
            ensure!(!ping(from, to, SILENCE)?, "{to} is nobody's, and replies");
        }
    }
    Ok(())
}

#[test]
fn rule_2_4_12_pods_and_nodes_are_pinged_as_without_us() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("bystander", 23);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    for v6 in [false, true] {
        let pods = [world.a(1), world.b(1)].map(|pod| pod.addresses()[usize::from(v6)]);
        for to in [pods[0], pods[1], world.node_address(v6)] {
            ensure!(ping(&world.a(2).ns, to, PATIENCE)?, "{to}");
        }
        ensure!(ping(&world.scene.client, world.node_address(v6), PATIENCE)?);
    }
    Ok(())
}
