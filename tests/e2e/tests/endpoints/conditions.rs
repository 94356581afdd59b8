//! What the conditions of a slice mean, those that are missing too.

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, refused, served_by};

use crate::world;

#[test]
fn rule_1_3_10_missing_conditions_mean_ready_and_serving() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("missing", 11);
    let a1 = world.a(1);
    let none = Value::Null;
    world.put(
        &svc,
        &[Ep::of(a1).conditions(none.clone(), none.clone(), none)],
    )?;
    for proto in Proto::BOTH {
        served_by(&world.a(2).ns, proto, svc.cluster(false), &[&a1.name])?;
    }
    let mut objects = svc.objects(&[Ep::of(a1)]);
    for slice in &mut objects[1..] {
        slice["endpoints"][0]
            .as_object_mut()
            .map(|it| it.remove("conditions"));
    }
    world.put_objects(&svc.name, &objects)?;
    for proto in Proto::BOTH {
        served_by(&world.a(2).ns, proto, svc.cluster(true), &[&a1.name])?;
    }
    Ok(())
}

#[test]
fn rule_2_1_3_and_2_1_4_an_endpoint_needs_both_bits_to_be_the_last_resort() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("bits", 12);
    let a1 = world.a(1);
    for (ready, serving, terminating) in [
        (false, true, false),
        (false, false, true),
        (false, false, false),
    ] {
        let endpoint = Ep::of(a1).conditions(json!(ready), json!(serving), json!(terminating));
        world.put(&svc, &[endpoint])?;
        for proto in Proto::BOTH {
            for v6 in [false, true] {
                refused(&world.a(2).ns, proto, svc.cluster(v6))?;
                refused(
                    &world.scene.client,
                    proto,
                    svc.node_port(world.node_address(v6)),
                )?;
            }
        }
    }
    Ok(())
}

#[test]
fn rule_2_1_1_only_ready_endpoints_of_a_mixture_serve() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("mixture", 13);
    let (a1, a2, b1, b2) = (world.a(1), world.a(2), world.b(1), world.b(2));
    let endpoints = [
        Ep::of(a1),
        Ep::of(a2).terminating(),
        Ep::of(b1).unready(),
        Ep::of(b2),
    ];
    world.put(&svc, &endpoints)?;
    for proto in Proto::BOTH {
        served_by(
            &world.a(3).ns,
            proto,
            svc.cluster(false),
            &[&a1.name, &b2.name],
        )?;
        served_by(
            &world.scene.a.ns,
            proto,
            svc.cluster(true),
            &[&a1.name, &b2.name],
        )?;
    }
    Ok(())
}

#[test]
fn rule_2_1_7_ready_is_trusted_whatever_the_other_conditions_say() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("published", 14);
    let (a1, b1) = (world.a(1), world.b(1));
    let published = Ep::of(a1).conditions(json!(true), json!(false), json!(true));
    world.put(&svc, &[published, Ep::of(b1)])?;
    for proto in Proto::BOTH {
        served_by(
            &world.a(2).ns,
            proto,
            svc.cluster(false),
            &[&a1.name, &b1.name],
        )?;
        let node_port = svc.node_port(world.node_address(true));
        served_by(&world.scene.client, proto, node_port, &[&a1.name, &b1.name])?;
    }
    Ok(())
}

#[test]
fn rule_1_3_11_an_endpoint_without_a_node_that_is_not_seen_here_is_not_local() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("nowhere", 15).external_policy("Local");
    let b1 = world.b(1);
    let mut objects = svc.objects(&[Ep::of(b1)]);
    for slice in &mut objects[1..] {
        slice["endpoints"][0]
            .as_object_mut()
            .map(|it| it.remove("nodeName"));
    }
    world.put_objects(&svc.name, &objects)?;
    for proto in Proto::BOTH {
        let node_port = svc.node_port(world.node_address(false));
        tidegate_e2e::silent(&world.scene.client, proto, node_port)?;
        served_by(&world.a(2).ns, proto, svc.cluster(false), &[&b1.name])?;
    }
    Ok(())
}
