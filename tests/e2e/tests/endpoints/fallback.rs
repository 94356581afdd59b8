//! Endpoints that terminate and still serve are the last resort, in each scope for itself.

use anyhow::Result;
use tidegate_e2e::{Ep, Proto, Svc, served_by, silent};

use crate::world;

#[test]
fn rule_2_1_2_and_2_1_5_the_fallback_is_for_each_scope_apart() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("scopes", 1).with_vip().external_policy("Local");
    let (a1, b1) = (world.a(1), world.b(1));
    let last = Ep::of(a1).terminating();
    world.put(&svc, &[last.clone(), Ep::of(b1)])?;
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            let node_port = svc.node_port(world.node_address(v6));
            served_by(&world.scene.client, proto, node_port, &[&a1.name])?;
            served_by(&world.scene.client, proto, svc.vip(v6), &[&a1.name])?;
            served_by(&world.a(2).ns, proto, svc.cluster(v6), &[&b1.name])?;
        }
    }
    world.put(&svc, &[last])?;
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            served_by(&world.a(2).ns, proto, svc.cluster(v6), &[&a1.name])?;
        }
    }
    Ok(())
}

#[test]
fn rule_2_1_2_terminating_endpoints_serve_with_internal_policy_cluster() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("internal-cluster", 2);
    let (a1, b1) = (world.a(1), world.b(1));
    for pod in [a1, b1] {
        world.put(&svc, &[Ep::of(pod).terminating()])?;
        for proto in Proto::BOTH {
            served_by(&world.a(2).ns, proto, svc.cluster(false), &[&pod.name])?;
            served_by(&world.scene.a.ns, proto, svc.cluster(true), &[&pod.name])?;
        }
    }
    Ok(())
}

#[test]
fn rule_2_1_2_terminating_endpoints_serve_with_internal_policy_local_on_their_node() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("internal-local", 3).internal_policy("Local");
    let (a1, b1) = (world.a(1), world.b(1));
    world.put(&svc, &[Ep::of(a1).terminating(), Ep::of(b1).terminating()])?;
    for proto in Proto::BOTH {
        served_by(&world.a(2).ns, proto, svc.cluster(false), &[&a1.name])?;
        served_by(&world.scene.a.ns, proto, svc.cluster(true), &[&a1.name])?;
    }
    world.put(&svc, &[Ep::of(b1).terminating()])?;
    for proto in Proto::BOTH {
        silent(&world.a(2).ns, proto, svc.cluster(false))?;
    }
    Ok(())
}

#[test]
fn rule_2_1_2_terminating_endpoints_serve_with_external_policy_cluster() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("external-cluster", 4).with_vip();
    let (a1, b1) = (world.a(1), world.b(1));
    for pod in [a1, b1] {
        world.put(&svc, &[Ep::of(pod).terminating()])?;
        for proto in Proto::BOTH {
            let node_port = svc.node_port(world.node_address(true));
            served_by(&world.scene.client, proto, node_port, &[&pod.name])?;
            served_by(&world.scene.client, proto, svc.vip(false), &[&pod.name])?;
        }
    }
    Ok(())
}

#[test]
fn rule_2_1_2_terminating_endpoints_serve_with_external_policy_local_on_their_node() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("external-local", 5)
        .with_vip()
        .external_policy("Local");
    let (a1, b1) = (world.a(1), world.b(1));
    world.put(&svc, &[Ep::of(a1).terminating(), Ep::of(b1).terminating()])?;
    for proto in Proto::BOTH {
        let node_port = svc.node_port(world.node_address(false));
        served_by(&world.scene.client, proto, node_port, &[&a1.name])?;
        served_by(&world.scene.client, proto, svc.vip(true), &[&a1.name])?;
    }
    world.put(&svc, &[Ep::of(b1).terminating()])?;
    for proto in Proto::BOTH {
        silent(&world.scene.client, proto, svc.vip(true))?;
    }
    Ok(())
}
