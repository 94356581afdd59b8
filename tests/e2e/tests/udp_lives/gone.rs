//! Nobody serves for a while: clients are refused, and then served, from the same socket.

use std::io::ErrorKind;

use anyhow::{Result, ensure};
use socket2::{Domain, Socket, Type};
use tidegate_e2e::Proto::Tcp;
use tidegate_e2e::{Ep, Svc, World, ask_from, soon};

use crate::{clients::Clients, world};

#[test]
fn rule_5_2_4_and_2_4_7_clients_that_began_before_there_was_a_backend_are_served() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("first", 51);
    world.put(&svc, &[])?;
    let mut clients = Clients::start(&world, &svc)?;
    clients.are_refused()?;
    clients.event("the first backend");
    world.put(&svc, &[Ep::of(world.b(1))])?;
    clients.hear_from(&world.b(1).name)?;
    clients.finish()
}

#[test]
fn rule_5_2_4_clients_that_began_while_the_endpoint_was_not_ready_are_served() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("unready", 52);
    world.put(&svc, &[Ep::of(world.a(1)).unready()])?;
    let mut clients = Clients::start(&world, &svc)?;
    clients.are_refused()?;
    clients.event("ready");
    world.put(&svc, &[Ep::of(world.a(1))])?;
    clients.hear_from(&world.a(1).name)?;
    clients.finish()
}

#[test]
fn rule_5_2_6_the_last_backend_goes_and_clients_are_refused_and_it_comes_back() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("last", 53);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        let mut clients = Clients::start(&world, &svc)?;
        clients.hear_from(&pod.name)?;
        clients.nobody_serves();
        world.put(&svc, &[])?;
        clients.are_refused()?;
        clients.event("it is back");
        world.put(&svc, &[Ep::of(pod)])?;
        clients.hear_from(&pod.name)?;
        clients.finish()?;
    }
    Ok(())
}

#[test]
fn rule_5_2_9_and_5_2_12_the_service_is_deleted_and_made_again() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("again", 54);
    let (a1, b1) = (world.a(1), world.b(1));
    world.put(&svc, &[Ep::of(a1)])?;
    let mut clients = Clients::start(&world, &svc)?;
    clients.hear_from(&a1.name)?;
    for next in [a1, b1] {
        clients.nobody_serves();
        let heard = world.echoes[0].datagrams() + world.echoes[3].datagrams();
        world.remove(&svc)?;
        let since = world.echoes[0].datagrams() + world.echoes[3].datagrams();
        clients.talk()?;
        let more = world.echoes[0].datagrams() + world.echoes[3].datagrams() - since;
        ensure!(
            more == 0,
            "{more} of a deleted Service's datagrams arrived ({heard} before)"
        );
        clients.event("made again");
        world.put(&svc, &[Ep::of(next)])?;
        clients.hear_from(&next.name)?;
    }
    clients.event("deleted and made again at once, with another backend");
    world.spec.manifests.remove("again.json")?;
    world.put(&svc, &[Ep::of(a1)])?;
    clients.hear_from(&a1.name)?;
    clients.finish()
}

#[test]
fn rule_2_4_7_a_tcp_client_is_refused_and_then_served_with_the_same_socket_address() -> Result<()> {
    const PORT: u16 = 41_000;
    let world = world()?;
    let svc = Svc::new("refused", 55);
    for (round, pod) in [world.a(1), world.b(1)].into_iter().enumerate() {
        let port = PORT + u16::try_from(round)?;
        world.put(&svc, &[Ep::of(pod)])?;
        each_client(&world, &svc, |to| {
            let answer = ask_from(Tcp, port, to)?;
            ensure!(answer.backend == pod.name, "{answer:?}");
            Ok(())
        })?;
        world.put(&svc, &[])?;
        each_client(&world, &svc, |to| is_refused(port, to))?;
        world.put(&svc, &[Ep::of(pod)])?;
        each_client(&world, &svc, |to| {
            // The first flow of this address may be in TIME_WAIT at either end for a moment.
            let answer = soon(|| ask_from(Tcp, port, to))?;
            ensure!(answer.local.port() == port && answer.backend == pod.name);
            Ok(())
        })?;
    }
    Ok(())
}

fn each_client(
    world: &World,
    svc: &Svc,
    ask: impl Fn(std::net::SocketAddr) -> Result<()> + Sync,
) -> Result<()> {
    for v6 in [false, true] {
        let node_port = svc.node_port(world.scene.a.addresses()[usize::from(v6)]);
        for (from, to) in [
            (&world.a(2).ns, svc.cluster(v6)),
            (&world.scene.client, node_port),
            (&world.scene.a.ns, svc.cluster(v6)),
        ] {
            from.run(|| ask(to))
                .map_err(|error| error.context(format!("{} to {to}", from.name())))?;
        }
    }
    Ok(())
}

fn is_refused(port: u16, to: std::net::SocketAddr) -> Result<()> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    let any = if to.is_ipv6() { "[::]" } else { "0.0.0.0" };
    let own: std::net::SocketAddr = format!("{any}:{port}").parse()?;
    socket.bind(&own.into())?;
    let error = socket.connect_timeout(&to.into(), std::time::Duration::from_secs(3));
    let kind = error.map_err(|error| error.kind());
    ensure!(kind == Err(ErrorKind::ConnectionRefused), "{to}: {kind:?}");
    Ok(())
}
