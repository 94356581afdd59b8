//! Several slices for one Service, and several ports for one number.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Outcome, Proto, Svc, World, backends, probe, refused, served_by};
use tidegate_rig::EchoServer;

use crate::world;

#[test]
fn rule_1_3_6_and_1_3_7_and_1_3_8_an_endpoint_moves_between_slices_without_a_gap() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("moving", 61);
    let a1 = world.a(1);
    let (first, second) = ("moving-1", "moving-2");
    world.put_objects("moving", std::slice::from_ref(&svc.object))?;
    world.put_objects(first, &svc.slices("one", &[Ep::of(a1)]))?;
    let over = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask_until(&world, &svc, &over));
        let moved = move_about(&world, &svc, first, second);
        over.store(true, Ordering::Relaxed);
        let asked = asking
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        moved.and(asked)
    })?;
    ensure!(asked > 20, "only {asked} questions");
    for file in ["moving", first, second] {
        world.spec.manifests.put(file, &[])?;
    }
    world.settle()
}

/// In both orders: the new slice first, then the old one goes; and both at one blow.
fn move_about(world: &World, svc: &Svc, first: &str, second: &str) -> Result<()> {
    let a1 = world.a(1);
    for _ in 0..4 {
        world.put_objects(second, &svc.slices("two", &[Ep::of(a1)]))?;
        ensure!(weight(world, svc)? == 1, "double weight");
        world.put_objects(second, &svc.slices("two", &[Ep::of(a1).terminating()]))?;
        ensure!(weight(world, svc)? == 1, "the terminating twin counts");
        world.put_objects(second, &svc.slices("two", &[Ep::of(a1)]))?;
        world.put_objects(first, &svc.slices("one", &[Ep::of(a1).terminating()]))?;
        ensure!(
            weight(world, svc)? == 1,
            "the terminating twin hides the ready one"
        );
        world.put_objects(first, &[])?;
        ensure!(weight(world, svc)? == 1, "gone with the other slice");
        let mut at_once = svc.slices("two", &[]).to_vec();
        at_once.extend(svc.slices("three", &[Ep::of(a1)]));
        world.put_objects(second, &at_once)?;
        ensure!(weight(world, svc)? == 1, "moved at one blow");
        world.put_objects(first, &svc.slices("one", &[Ep::of(a1)]))?;
        world.put_objects(second, &[])?;
    }
    Ok(())
}

fn ask_until(world: &World, svc: &Svc, over: &AtomicBool) -> Result<usize> {
    let mut asked = 0;
    while !over.load(Ordering::Relaxed) {
        let outcome = probe(
            &world.scene.client,
            Proto::Tcp,
            svc.node_port(world.node_address(false)),
        );
        ensure!(
            outcome.is_from(&world.a(1).name),
            "question {asked}: {outcome:?}"
        );
        asked += 1;
    }
    Ok(asked)
}

/// Slots of the clusterIP's selection table.
fn weight(world: &World, svc: &Svc) -> Result<u64> {
    let frontends = world.frontends()?;
    let cluster = json!(svc.cluster(false).ip());
    let row = frontends
        .iter()
        .find(|row| row["address"] == cluster && row["proto"] == "TCP");
    row.and_then(|row| row["backends"].as_u64())
        .context("no frontend")
}

/// A slice that has only this port.
fn only(mut slice: Value, port: &str) -> Value {
    if let Some(ports) = slice["ports"].as_array_mut() {
        ports.retain(|it| it["name"] == port);
    }
    slice
}

#[test]
fn rule_1_1_3_one_number_for_two_protocols_with_backends_of_their_own() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("dns", 62);
    let (a1, b1) = (world.a(1), world.b(1));
    let tcp = svc
        .slices("tcp", &[Ep::of(a1)])
        .map(|slice| only(slice, "tcp"));
    let udp = svc
        .slices("udp", &[Ep::of(b1)])
        .map(|slice| only(slice, "udp"));
    let mut objects = vec![svc.object.clone()];
    objects.extend(tcp.iter().chain(&udp).cloned());
    world.put_objects(&svc.name, &objects)?;
    for v6 in [false, true] {
        let node_port = svc.node_port(world.node_address(v6));
        for (from, to) in [
            (&world.a(2).ns, svc.cluster(v6)),
            (&world.scene.client, node_port),
        ] {
            served_by(from, Proto::Tcp, to, &[&a1.name])?;
            served_by(from, Proto::Udp, to, &[&b1.name])?;
        }
    }
    let mut tcp_only = svc.object.clone();
    if let Some(ports) = tcp_only["spec"]["ports"].as_array_mut() {
        ports.retain(|port| port["protocol"] == "TCP");
    }
    objects[0] = tcp_only;
    world.put_objects(&svc.name, &objects)?;
    for v6 in [false, true] {
        served_by(&world.a(2).ns, Proto::Tcp, svc.cluster(v6), &[&a1.name])?;
        refused(&world.a(2).ns, Proto::Udp, svc.cluster(v6))?;
    }
    Ok(())
}

#[test]
fn rule_1_3_5_and_1_4_4_a_named_port_has_another_number_in_each_pod() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("named", 63);
    let (a1, b1) = (world.a(1), world.b(1));
    let _second = EchoServer::start(&b1.ns, "podb1-second", 9090)?;
    let mut objects = vec![svc.object.clone()];
    objects.extend(svc.slices("one", &[Ep::of(a1)]));
    objects.extend(svc.slices("two", &[Ep::of(b1).port(9090)]));
    world.put_objects(&svc.name, &objects)?;
    for v6 in [false, true] {
        for proto in Proto::BOTH {
            let met = backends(&world.a(2).ns, proto, svc.cluster(v6), 100)?;
            let names: Vec<&String> = met.keys().collect();
            ensure!(names == ["poda1", "podb1-second"], "{met:?}");
        }
    }
    Ok(())
}

#[test]
fn rule_1_2_4_endpoints_may_come_before_their_service() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("early", 64);
    let a1 = world.a(1);
    world.put_objects("early-slices", &svc.slices("all", &[Ep::of(a1)]))?;
    world.put_objects("early", std::slice::from_ref(&svc.object))?;
    for proto in Proto::BOTH {
        served_by(&world.a(2).ns, proto, svc.cluster(false), &[&a1.name])?;
        let outcome = probe(&world.a(2).ns, proto, svc.cluster(true));
        ensure!(matches!(outcome, Outcome::Answered(_)), "{outcome:?}");
    }
    Ok(())
}
