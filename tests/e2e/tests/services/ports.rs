//! Ports and whole Services that come and go.

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, refused, served_by, silent};
use tidegate_rig::EchoServer;

use crate::world;

/// The Service and its slices with one port more: 81 to 9090 with a nodePort of its own.
fn with_second_port(svc: &Svc, endpoints: &[Ep], node_port: u16) -> Vec<Value> {
    let mut objects = svc.objects(endpoints);
    let more = json!({ "name": "more", "protocol": "TCP", "port": 81, "targetPort": 9090,
        "nodePort": node_port });
    for (index, object) in objects.iter_mut().enumerate() {
        let (list, port) = if index == 0 {
            (&mut object["spec"]["ports"], more.clone())
        } else {
            let port = json!({ "name": "more", "protocol": "TCP", "port": 9090 });
            (&mut object["ports"], port)
        };
        list.as_array_mut()
            .into_iter()
            .for_each(|list| list.push(port.clone()));
    }
    objects
}

#[test]
fn rule_1_3_5_a_port_is_added_to_a_live_service_and_taken_away() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("ports", 41);
    let a1 = world.a(1);
    let _second = EchoServer::start(&a1.ns, "second", 9090)?;
    let endpoints = [Ep::of(a1)];
    for _ in 0..2 {
        world.put(&svc, &endpoints)?;
        for v6 in [false, true] {
            let more = (svc.cluster(v6).ip(), 81).into();
            served_by(&world.a(2).ns, Proto::Tcp, svc.cluster(v6), &[&a1.name])?;
            refused(&world.a(2).ns, Proto::Tcp, more)?;
        }
        let objects = with_second_port(&svc, &endpoints, 30_141);
        world.put_objects(&svc.name, &objects)?;
        for v6 in [false, true] {
            let more = (svc.cluster(v6).ip(), 81).into();
            let node_port = (world.node_address(v6), 30_141).into();
            served_by(&world.a(2).ns, Proto::Tcp, svc.cluster(v6), &[&a1.name])?;
            served_by(&world.a(2).ns, Proto::Tcp, more, &["second"])?;
            served_by(&world.scene.client, Proto::Tcp, node_port, &["second"])?;
        }
    }
    Ok(())
}

#[test]
fn rule_2_3_2_a_node_port_that_changes_leaves_the_old_number() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("renumbered", 42);
    let endpoints = [Ep::of(world.a(1))];
    let mut moved = svc.clone();
    for port in moved.object["spec"]["ports"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        port["nodePort"] = json!(30_142);
    }
    for (put, open, closed) in [(&svc, 30_042, 30_142), (&moved, 30_142, 30_042)] {
        world.put(put, &endpoints)?;
        for v6 in [false, true] {
            for proto in Proto::BOTH {
                let node = world.node_address(v6);
                served_by(
                    &world.scene.client,
                    proto,
                    (node, open).into(),
                    &[&world.a(1).name],
                )?;
                refused(&world.scene.client, proto, (node, closed).into())?;
            }
        }
    }
    Ok(())
}

#[test]
fn rule_1_2_5_services_go_up_and_down_and_are_made_again_without_harm_to_others() -> Result<()> {
    let world = world()?;
    let one = Svc::new("up-one", 43);
    let (two, three) = (Svc::new("up-two", 44), Svc::new("up-three", 45));
    let (a1, b1) = (world.a(1), world.b(1));
    world.put(&one, &[Ep::of(a1)])?;
    world.put(&two, &[Ep::of(b1)])?;
    let up = |svc: &Svc, pod: &str| -> Result<()> {
        for v6 in [false, true] {
            served_by(&world.a(2).ns, Proto::Tcp, svc.cluster(v6), &[pod])?;
            let node_port = svc.node_port(world.node_address(v6));
            served_by(&world.scene.client, Proto::Udp, node_port, &[pod])?;
        }
        Ok(())
    };
    up(&one, &a1.name)?;
    up(&two, &b1.name)?;
    world.remove(&one)?;
    silent(&world.a(2).ns, Proto::Tcp, one.cluster(false))?;
    up(&two, &b1.name)?;
    world.put(&three, &[Ep::of(a1)])?;
    up(&three, &a1.name)?;
    up(&two, &b1.name)?;
    world.put(&one, &[Ep::of(b1)])?;
    up(&one, &b1.name)?;
    up(&three, &a1.name)
}
