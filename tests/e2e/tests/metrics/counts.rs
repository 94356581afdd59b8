//! Traffic of a known size, and what the counters say of it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Answer, Ep, Proto, Svc, Udp, ask, dial};
use tidegate_rig::Netns;

use crate::{
    scrape::{Counts, scrape},
    world,
};

const COUNT: usize = 25;
/// What [`Udp::ask`] sends.
const QUESTION: usize = 4;

/// Bytes of a frame's headers up to UDP's.
fn headers(v6: bool) -> usize {
    14 + if v6 { 40 } else { 20 } + 8
}

fn family(v6: bool) -> &'static str {
    if v6 { "IPv6" } else { "IPv4" }
}

/// One flow, so many datagrams, and as many answers.
fn talk(from: &Netns, to: SocketAddr) -> Result<Answer> {
    from.run(|| {
        let socket = Udp::bind(0, to)?;
        let answers = (0..COUNT)
            .map(|_| socket.ask(to))
            .collect::<Result<Vec<_>>>()?;
        answers.into_iter().next().context("no answer")
    })
}

/// What [`talk`] must have been counted as.
fn expected(answer: &Answer, v6: bool) -> Counts {
    let reply = format!("{} saw {}\n", answer.backend, answer.seen_as).len() + QUESTION;
    let count = COUNT as f64;
    Counts {
        packets: count,
        bytes: count * (headers(v6) + QUESTION) as f64,
        reply_packets: count,
        reply_bytes: count * (headers(v6) + reply) as f64,
        opened: 1.0,
        refused: 0.0,
    }
}

#[test]
fn datagrams_from_pods_and_from_outside_to_here_and_there_are_counted_to_the_byte() -> Result<()> {
    let world = world()?;
    let here = Svc::new("count-here", 21);
    let there = Svc::new("count-there", 22);
    world.put(&here, &[Ep::of(world.a(1))])?;
    world.put(&there, &[Ep::of(world.b(1))])?;
    let node = &world.scene.a.ns;
    for (svc, from_pod) in [
        (&here, true),
        (&here, false),
        (&there, true),
        (&there, false),
    ] {
        for v6 in [false, true] {
            let before = scrape(node)?.of(&svc.name, "UDP", family(v6))?;
            let answer = if from_pod {
                talk(&world.a(2).ns, svc.cluster(v6))?
            } else {
                talk(&world.scene.client, svc.node_port(world.node_address(v6)))?
            };
            let page = scrape(node)?;
            let after = page.of(&svc.name, "UDP", family(v6))?;
            let grown = Counts {
                packets: after.packets - before.packets,
                bytes: after.bytes - before.bytes,
                reply_packets: after.reply_packets - before.reply_packets,
                reply_bytes: after.reply_bytes - before.reply_bytes,
                opened: after.opened - before.opened,
                refused: after.refused - before.refused,
            };
            let expected = expected(&answer, v6);
            ensure!(
                grown == expected,
                "{} from pod {from_pod}, v6 {v6}: {grown:?}, not {expected:?}",
                svc.name
            );
            // The other protocol of the same Service is another service port.
            ensure!(page.of(&svc.name, "TCP", family(v6))? == Counts::default());
        }
    }
    // Each has one backend of each family, which has all of it.
    let page = scrape(node)?;
    for svc in [&here, &there] {
        for metric in ["packets_total", "bytes_total", "flows_opened_total"] {
            let labels = [("service", &*svc.name)];
            let services = page.sum(&format!("tidegate_service_{metric}"), &labels)?;
            let backends = page.sum(&format!("tidegate_backend_{metric}"), &labels)?;
            ensure!(
                services == backends && services > 0.0,
                "{metric}: {services}, {backends}"
            );
        }
    }
    Ok(())
}

/// Sends so many bytes, and reads them again.
fn connection(to: SocketAddr, bytes: usize) -> Result<()> {
    let mut stream = BufReader::new(dial(0, to)?);
    let mut greeting = String::new();
    let _bytes = stream.read_line(&mut greeting)?;
    stream.get_mut().write_all(&vec![7; bytes])?;
    let mut echo = vec![0; bytes];
    stream.read_exact(&mut echo)?;
    Ok(())
}

#[test]
fn connections_are_counted_once_each_and_their_bytes_are_all_there() -> Result<()> {
    const BYTES: usize = 20_000;
    let world = world()?;
    let svc = Svc::new("count-tcp", 23);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let node = &world.scene.a.ns;
    for (from, to) in [
        (&world.a(2).ns, svc.cluster(false)),
        (
            &world.scene.client,
            svc.node_port(world.node_address(false)),
        ),
    ] {
        let before = scrape(node)?.of("count-tcp", "TCP", "IPv4")?;
        from.run(|| (0..COUNT).try_for_each(|_| connection(to, BYTES)))?;
        let after = scrape(node)?.of("count-tcp", "TCP", "IPv4")?;
        ensure!(
            after.opened - before.opened == COUNT as f64,
            "{before:?} {after:?}"
        );
        ensure!(after.refused == 0.0, "{after:?}");
        let payload = (COUNT * BYTES) as f64;
        for (bytes, packets) in [
            (after.bytes - before.bytes, after.packets - before.packets),
            (
                after.reply_bytes - before.reply_bytes,
                after.reply_packets - before.reply_packets,
            ),
        ] {
            // Headers of Ethernet, IPv4 and TCP: from 54 bytes to 94.
            let (most, least) = (bytes - packets * 54.0, bytes - packets * 94.0);
            ensure!(
                (least..=most).contains(&payload),
                "{payload} of {bytes} in {packets}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_process_of_the_node_opens_a_flow_and_sends_no_packet_that_is_counted() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("count-host", 24);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let node = &world.scene.a.ns;
    node.run(|| (0..3).try_for_each(|_| ask(Proto::Tcp, svc.cluster(false)).map(drop)))?;
    let counts = scrape(node)?.of("count-host", "TCP", "IPv4")?;
    ensure!(
        counts
            == Counts {
                opened: 3.0,
                ..Counts::default()
            },
        "{counts:?}"
    );
    Ok(())
}

#[test]
fn what_nobody_serves_is_refused_and_counted() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("count-none", 25);
    world.put(&svc, &[])?;
    let node = &world.scene.a.ns;
    let reason = [("reason", "no_endpoints"), ("verdict", "reject")];
    let before = scrape(node)?.sum("tidegate_packets_total", &reason)?;
    let to = svc.node_port(world.node_address(false));
    world.scene.client.run(|| {
        for _ in 0..COUNT {
            let error = dial(0, to).err().context("somebody answered")?;
            ensure!(error.to_string().contains("refused"), "{error}");
        }
        Ok(())
    })?;
    let page = scrape(node)?;
    let counts = page.of("count-none", "TCP", "IPv4")?;
    let expected = Counts {
        refused: COUNT as f64,
        ..Counts::default()
    };
    ensure!(counts == expected, "{counts:?}");
    let after = page.sum("tidegate_packets_total", &reason)?;
    ensure!(after - before == COUNT as f64, "{before} {after}");
    Ok(())
}
