//! One backend takes another's place.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Svc};
use tidegate_rig::EchoServer;

use crate::{SECOND, clients::Clients, world};

#[test]
fn rule_5_2_2_and_5_2_10_a_backend_is_replaced_and_the_old_one_hears_nothing_more() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("replaced", 41);
    let (a1, b1) = (world.a(1), world.b(1));
    world.put(&svc, &[Ep::of(a1)])?;
    let mut clients = Clients::start(&world, &svc)?;
    clients.hear_from(&a1.name)?;
    for (next, old) in [(b1, 0), (a1, 3), (b1, 0)] {
        clients.event("replaced in one step");
        world.put(&svc, &[Ep::of(next)])?;
        clients.hear_from(&next.name)?;
        let heard = world.echoes[old].datagrams();
        clients.talk()?;
        let more = world.echoes[old].datagrams() - heard;
        ensure!(
            more == 0,
            "{more} datagrams to the backend that was removed"
        );
    }
    clients.finish()
}

#[test]
fn rule_5_2_2_a_backend_comes_then_the_other_goes_and_the_other_way_round() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("added", 42);
    let (a1, b1) = (world.a(1), world.b(1));
    world.put(&svc, &[Ep::of(a1)])?;
    let mut clients = Clients::start(&world, &svc)?;
    clients.hear_from(&a1.name)?;
    clients.event("another one is added");
    world.put(&svc, &[Ep::of(a1), Ep::of(b1)])?;
    clients.talk()?;
    clients.event("the first one is removed");
    world.put(&svc, &[Ep::of(b1)])?;
    clients.hear_from(&b1.name)?;
    clients.event("the first one comes back");
    world.put(&svc, &[Ep::of(a1), Ep::of(b1)])?;
    clients.talk()?;
    clients.nobody_serves();
    world.put(&svc, &[])?;
    clients.are_refused()?;
    clients.event("a backend is there again");
    world.put(&svc, &[Ep::of(a1)])?;
    clients.hear_from(&a1.name)?;
    clients.finish()
}

#[test]
fn rule_5_2_5_the_target_port_of_the_same_pod_changes() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("retargeted", 43);
    for pod in [world.a(1), world.b(1)] {
        let second = format!("{}-second", pod.name);
        let _second = EchoServer::start(&pod.ns, &second, SECOND)?;
        world.put(&svc, &[Ep::of(pod)])?;
        let mut clients = Clients::start(&world, &svc)?;
        clients.hear_from(&pod.name)?;
        clients.event("another target port");
        world.put(&svc, &[Ep::of(pod).port(SECOND)])?;
        clients.hear_from(&second)?;
        clients.event("the first target port again");
        world.put(&svc, &[Ep::of(pod)])?;
        clients.hear_from(&pod.name)?;
        clients.finish().with_context(|| pod.name.clone())?;
    }
    Ok(())
}

#[test]
fn rule_5_2_11_internal_traffic_policy_local_and_node_clients_move_too() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("at-home", 44).internal_policy("Local");
    let (a1, a2) = (world.a(1), world.a(2));
    world.put(&svc, &[Ep::of(a1)])?;
    let mut clients = Clients::start(&world, &svc)?;
    clients.hear_from(&a1.name)?;
    clients.event("replaced on this node");
    world.put(&svc, &[Ep::of(a2)])?;
    clients.hear_from(&a2.name)?;
    clients.finish()
}
