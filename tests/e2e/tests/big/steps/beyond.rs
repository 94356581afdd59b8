//! Beyond this node: links of 1280 behind node B, to a pod and to a client.

use anyhow::{Context as _, Result};
use tidegate_e2e::{Ep, Shared, Svc, World};

use super::{add_client, claim_large_segments, forget, learns, transfer};

static BEYOND: Shared = Shared::new(|| {
    let mut world = World::builder().pods(2, 1).build()?;
    let far = add_client(&mut world, "b", 1280)?;
    let b = &world.scene.b;
    world.scene.a.ns.ip(&format!(
        "route add 10.9.0.0/24 via {}\nroute add fd00:9::/64 via {}",
        b.v4, b.v6
    ))?;
    b.ns.ip(&format!("link set {} mtu 1280", world.b(1).device))?;
    for (pod, mtu) in [(world.a(1), 1500), (world.a(2), 1500), (world.b(1), 1280)] {
        claim_large_segments(&pod.ns, mtu)?;
    }
    world.extra.push(far);
    Ok(world)
});

#[test]
fn rule_5_5_4_and_5_5_1_tcp_learns_of_a_narrow_link_behind_a_remote_backends_node() -> Result<()> {
    let world = BEYOND.borrow()?;
    let svc = Svc::new("beyond-pod", 31);
    world.put(&svc, &[Ep::of(world.b(1))])?;
    for v6 in [false, true] {
        let node_port = svc.node_port(world.node_address(v6));
        for (from, to) in [
            (&world.scene.client, node_port),
            (&world.a(2).ns, node_port),
            (&world.a(2).ns, svc.cluster(v6)),
            (&world.scene.a.ns, svc.cluster(v6)),
        ] {
            forget(from)?;
            transfer(from, to)?;
        }
    }
    Ok(())
}

#[test]
fn rule_5_5_4_and_5_5_1_udp_learns_of_a_narrow_link_behind_a_remote_backends_node() -> Result<()> {
    let world = BEYOND.borrow()?;
    let svc = Svc::new("beyond-udp", 32);
    world.put(&svc, &[Ep::of(world.b(1))])?;
    for v6 in [false, true] {
        let node_port = svc.node_port(world.node_address(v6));
        for (from, to) in [
            (&world.scene.client, node_port),
            (&world.a(2).ns, node_port),
            (&world.a(2).ns, svc.cluster(v6)),
        ] {
            forget(from)?;
            learns(from, to, 1400, 1280)?;
        }
    }
    Ok(())
}

#[test]
fn rule_5_5_4_and_5_5_3_backends_learn_of_a_narrow_link_on_the_clients_side() -> Result<()> {
    let world = BEYOND.borrow()?;
    let far = world.extra[0].clone();
    let svc = Svc::new("beyond-client", 33);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            forget(&pod.ns)?;
            let to = svc.node_port(world.node_address(v6));
            transfer(&far, to).with_context(|| pod.name.clone())?;
        }
    }
    Ok(())
}
