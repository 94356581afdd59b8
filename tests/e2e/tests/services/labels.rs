//! Labels that make Services and slices invisible, put on and taken off at run time.

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, World, refused, served_by, silent};

use crate::world;

fn labelled(mut object: Value, key: &str, value: &str) -> Value {
    object["metadata"]["labels"][key] = json!(value);
    object
}

fn is_served(world: &World, svc: &Svc) -> Result<()> {
    let pods = [world.a(1).name.as_str()];
    for proto in Proto::BOTH {
        served_by(&world.a(2).ns, proto, svc.cluster(false), &pods)?;
        served_by(&world.scene.a.ns, proto, svc.cluster(true), &pods)?;
        let node_port = svc.node_port(world.node_address(false));
        served_by(&world.scene.client, proto, node_port, &pods)?;
    }
    Ok(())
}

#[test]
fn rule_1_2_1_a_service_of_another_proxy_is_invisible_as_long_as_it_is_labelled() -> Result<()> {
    let world = world()?;
    let (svc, reference) = (Svc::new("other-proxy", 11), Svc::new("reference", 12));
    let endpoints = [Ep::of(world.a(1))];
    world.put(&reference, &endpoints)?;
    for value in ["other", ""] {
        world.put(&svc, &endpoints)?;
        is_served(&world, &svc)?;
        let mut objects = svc.objects(&endpoints);
        objects[0] = labelled(
            objects[0].clone(),
            "service.kubernetes.io/service-proxy-name",
            value,
        );
        world.put_objects(&svc.name, &objects)?;
        for v6 in [false, true] {
            silent(&world.a(2).ns, Proto::Tcp, svc.cluster(v6))?;
            refused(
                &world.scene.client,
                Proto::Udp,
                svc.node_port(world.node_address(v6)),
            )?;
        }
        is_served(&world, &reference)?;
    }
    world.put(&svc, &endpoints)?;
    is_served(&world, &svc)
}

#[test]
fn rule_1_2_2_a_headless_slice_is_invisible_as_long_as_it_is_labelled() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("headless-slice", 13);
    let endpoints = [Ep::of(world.a(1))];
    for value in ["", "true"] {
        world.put(&svc, &endpoints)?;
        is_served(&world, &svc)?;
        let mut objects = svc.objects(&endpoints);
        for slice in &mut objects[1..] {
            *slice = labelled(slice.clone(), "service.kubernetes.io/headless", value);
        }
        world.put_objects(&svc.name, &objects)?;
        for v6 in [false, true] {
            refused(&world.a(2).ns, Proto::Tcp, svc.cluster(v6))?;
            refused(
                &world.scene.client,
                Proto::Udp,
                svc.node_port(world.node_address(v6)),
            )?;
        }
    }
    world.put(&svc, &endpoints)?;
    is_served(&world, &svc)
}
