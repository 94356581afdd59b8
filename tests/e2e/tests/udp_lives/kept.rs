//! What must not move when others do.
//!
//! A host process's unconnected socket has no flow: each datagram asks the table anew. It loses nothing,
//! but it moves when the table does, so it is not among those that must stay.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tidegate_e2e::{Ep, Fate, Svc, Talker, dial, summary};
use tidegate_rig::EchoServer;

use crate::{clients::Clients, world};

#[test]
fn rule_5_2_3_a_terminating_pod_keeps_its_clients_until_it_stops_serving() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("graceful", 61);
    let (a1, b1) = (world.a(1), world.b(1));
    world.put(&svc, &[Ep::of(a1)])?;
    let mut clients = Clients::start_outside(&world, &svc)?;
    clients.hear_from(&a1.name)?;
    clients.event("terminating, and another is ready");
    world.put(&svc, &[Ep::of(a1).terminating(), Ep::of(b1)])?;
    clients.hear_from(&a1.name)?;
    clients.event("it does not serve any more");
    let over = Ep::of(a1).conditions(json!(false), json!(false), json!(true));
    world.put(&svc, &[over, Ep::of(b1)])?;
    clients.hear_from(&b1.name)?;
    clients.finish()
}

#[test]
fn rule_5_2_7_a_change_of_policy_does_not_cut_udp_flows() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("policies", 62);
    let b1 = world.b(1);
    world.put(&svc, &[Ep::of(b1)])?;
    let mut clients = Clients::start_outside(&world, &svc)?;
    clients.hear_from(&b1.name)?;
    clients.event("both policies become Local, and the only backend is elsewhere");
    let local = svc
        .clone()
        .internal_policy("Local")
        .external_policy("Local");
    world.put(&local, &[Ep::of(b1)])?;
    clients.hear_from(&b1.name)?;
    clients.finish()
}

#[test]
fn rule_5_2_8_other_flows_do_not_suffer_when_a_udp_backend_is_replaced() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("neighbour", 63);
    let (a1, b1) = (world.a(1), world.b(1));
    world.put(&svc, &[Ep::of(a1)])?;
    // A server on the nodePort's number, which clients reach directly, through node A.
    let _direct = EchoServer::start(&b1.ns, "direct", svc.node_port_number())?;
    let node = world.scene.a.v4;
    let route = format!("{}/32 via {node}", b1.v4);
    world.scene.client.ip(&format!("route add {route}"))?;
    let direct = Talker::start(
        &world.scene.client,
        (b1.v4, svc.node_port_number()).into(),
        false,
    )?;
    direct.hears_from(0, "direct")?;
    let mut tcp = world.scene.client.run(|| dial(0, svc.node_port(node)))?;
    let mut buffer = [0; 256];
    let _greeting = tcp.read(&mut buffer)?;
    let mut clients = Clients::start(&world, &svc)?;
    clients.hear_from(&a1.name)?;
    let before = direct.sent();
    for next in [b1, a1] {
        clients.event("replaced");
        world.put(&svc, &[Ep::of(next)])?;
        clients.hear_from(&next.name)?;
        tcp.write_all(b"still here").context("the TCP flow")?;
        tcp.read_exact(&mut buffer[..10]).context("the TCP flow")?;
    }
    clients.finish()?;
    let fates = direct.finish()?;
    world.scene.client.ip(&format!("route del {route}"))?;
    let unheard = |fate: &&Fate| !matches!(fate, Fate::Answered(name, _) if name == "direct");
    let lost = fates[before..].iter().filter(unheard).count();
    ensure!(lost == 0, "the direct flow: {}", summary(&fates));
    Ok(())
}
