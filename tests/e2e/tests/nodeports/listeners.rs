//! Processes of the node that listen where a frontend is, and packets that only pass by.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Outcome, Proto, Svc, probe, served_by};
use tidegate_rig::EchoServer;

use crate::world;

#[test]
fn rule_3_5_13_a_listener_on_a_node_port_is_shadowed_and_served_once_the_service_is_gone()
-> Result<()> {
    let world = world()?;
    let svc = Svc::new("shadow", 11);
    // No socket is held: the process can listen before and after.
    let _process = EchoServer::start(&world.scene.a.ns, "process", svc.node_port_number())?;
    let (a1, client) = (world.a(1), &world.scene.client);
    for _ in 0..2 {
        world.put(&svc, &[Ep::of(a1)])?;
        for v6 in [false, true] {
            for proto in Proto::BOTH {
                let to = svc.node_port(world.node_address(v6));
                served_by(client, proto, to, &[&a1.name])?;
                served_by(&world.scene.a.ns, proto, to, &[&a1.name])?;
            }
        }
        world.remove(&svc)?;
        for v6 in [false, true] {
            let to = svc.node_port(world.node_address(v6));
            served_by(client, Proto::Tcp, to, &["process"])?;
            served_by(&world.scene.a.ns, Proto::Tcp, to, &["process"])?;
        }
    }
    Ok(())
}

#[test]
fn rule_3_1_20_other_ports_of_a_load_balancer_address_on_the_node_reach_its_processes() -> Result<()>
{
    let world = world()?;
    let svc = Svc::new("own-vip", 12).with_vip();
    let a1 = world.a(1);
    let node = &world.scene.a.ns;
    let (v4, v6) = (svc.vip(false).ip(), svc.vip(true).ip());
    node.ip(&format!(
        "addr add {v4}/32 dev gateway\naddr add {v6}/128 dev gateway nodad"
    ))?;
    let _service_port = EchoServer::start(node, "process", 80)?;
    let _other_port = EchoServer::start(node, "process", 81)?;
    world.put(&svc, &[Ep::of(a1)])?;
    for to in [svc.vip(false), svc.vip(true)] {
        for from in [&world.scene.client, &world.a(2).ns, node] {
            served_by(from, Proto::Tcp, to, &[&a1.name])?;
            served_by(from, Proto::Tcp, SocketAddr::new(to.ip(), 81), &["process"])?;
        }
    }
    world.remove(&svc)?;
    served_by(
        &world.scene.client,
        Proto::Tcp,
        svc.vip(false),
        &["process"],
    )?;
    node.ip(&format!(
        "addr del {v4}/32 dev gateway\naddr del {v6}/128 dev gateway"
    ))
}

#[test]
fn rule_3_5_7_an_exact_address_wins_over_a_node_port_of_the_same_number() -> Result<()> {
    let world = world()?;
    let (node_port, exact) = (Svc::new("by-number", 13), Svc::new("by-address", 14));
    let number = node_port.node_port_number();
    let node = world.node_address(false);
    // An external IP that is the node's own address, with the other's nodePort as its port.
    let mut exact = exact.spec("externalIPs", serde_json::json!([node]));
    for port in exact.object["spec"]["ports"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        port["port"] = serde_json::json!(number);
    }
    exact.object["metadata"]["creationTimestamp"] = serde_json::json!("2024-01-01T00:00:00Z");
    let (a1, b1) = (world.a(1), world.b(1));
    world.put(&exact, &[Ep::of(b1)])?;
    world.put(&node_port, &[Ep::of(a1)])?;
    let client = &world.scene.client;
    for proto in Proto::BOTH {
        served_by(client, proto, (node, number).into(), &[&b1.name])?;
        let second = "192.168.1.22".parse::<std::net::IpAddr>()?;
        served_by(client, proto, (second, number).into(), &[&a1.name])?;
        served_by(
            &world.a(2).ns,
            proto,
            (exact.cluster(false).ip(), number).into(),
            &[&b1.name],
        )?;
    }
    Ok(())
}

#[test]
fn rule_3_5_8_and_2_4_8_what_is_only_forwarded_is_never_captured() -> Result<()> {
    let world = world()?;
    let (full, empty) = (Svc::new("captor", 15), Svc::new("empty-captor", 16));
    let b1 = world.b(1);
    world.put(&full, &[Ep::of(world.a(1))])?;
    world.put(&empty, &[])?;
    let client = &world.scene.client;
    let routes = [
        (b1.v4.to_string(), world.scene.a.v4.to_string()),
        (b1.v6.to_string(), world.scene.a.v6.to_string()),
    ];
    for (pod, node) in &routes {
        client.ip(&format!("route add {pod} via {node}"))?;
    }
    for svc in [&full, &empty] {
        let number = svc.node_port_number();
        let _direct = EchoServer::start(&b1.ns, "direct", number)?;
        for (address, own) in b1.addresses().into_iter().zip([false, true]) {
            for proto in Proto::BOTH {
                for (from, source) in [
                    (client, world.client_address(own)),
                    (&world.a(2).ns, world.a(2).addresses()[usize::from(own)]),
                ] {
                    let outcome = probe(from, proto, (address, number).into());
                    let Outcome::Answered(answer) = &outcome else {
                        anyhow::bail!("{proto:?} {} to {address}: {outcome:?}", from.name());
                    };
                    ensure!(answer.backend == "direct", "{answer:?}");
                    ensure!(answer.seen_as.ip().to_canonical() == source, "{answer:?}");
                }
            }
        }
    }
    for (pod, node) in &routes {
        client.ip(&format!("route del {pod} via {node}"))?;
    }
    Ok(())
}
