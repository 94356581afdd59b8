//! How long a record lives: from the last new flow on, whatever older flows do.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Proto, Svc, World, dial, sticks};
use tidegate_rig::Netns;

use crate::{clients, four, world};

const TIMEOUT: u32 = 4;
/// Well within the time, on a machine that is busy for a second or two.
const WITHIN: Duration = Duration::from_millis(1500);
/// Well beyond it; the clock of the data path has ticks of about a second.
const BEYOND: Duration = Duration::from_secs(7);

/// Everybody who asks, and what they dial.
fn everybody<'a>(world: &'a World, svc: &Svc) -> Vec<(&'a Netns, Proto, SocketAddr)> {
    let mut all = Vec::new();
    for v6 in [false, true] {
        let to = svc.node_port(world.node_address(v6));
        for from in clients(world) {
            all.extend(Proto::BOTH.map(|proto| (from, proto, to)));
        }
    }
    all
}

fn ask(all: &[(&Netns, Proto, SocketAddr)]) -> Result<Vec<String>> {
    all.iter()
        .map(|(from, proto, to)| sticks(from, *proto, *to, 1))
        .collect()
}

#[test]
fn rule_4_6_and_4_7_and_4_8_new_flows_refresh_a_record_and_old_flows_do_not() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("clock", 41).affinity(TIMEOUT);
    world.put(&svc, &four(&world))?;
    let all = everybody(&world, &svc);
    let first = ask(&all)?;
    // 4.6: longer than the timeout in all, but never without a new flow for so long.
    for round in 0..5 {
        std::thread::sleep(WITHIN);
        let again = ask(&all)?;
        ensure!(
            again == first,
            "round {round}: {first:?}, and then {again:?}"
        );
    }
    // 4.7 and 4.8: connections that talk all the time do not keep the record.
    let mut streams: Vec<TcpStream> = Vec::new();
    for (from, proto, to) in &all {
        if *proto == Proto::Tcp {
            streams.push(from.run(|| dial(0, *to))?);
        }
    }
    let backends = greetings(&mut streams)?;
    let until = std::time::Instant::now() + BEYOND;
    while std::time::Instant::now() < until {
        for stream in &mut streams {
            stream.write_all(b"talk")?;
            stream
                .read_exact(&mut [0; 4])
                .context("a flow that was established before")?;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let later = ask(&all)?;
    let moved = |wanted: Proto| {
        let pairs = all.iter().zip(first.iter().zip(&later));
        pairs
            .filter(|((_, proto, _), (one, two))| *proto == wanted && one != two)
            .count()
    };
    // Eight clients of each protocol, four endpoints: all stay by chance in one of 65,536 cases.
    ensure!(
        moved(Proto::Tcp) > 0 && moved(Proto::Udp) > 0,
        "{first:?}, and then {later:?}"
    );
    for (stream, backend) in streams.iter_mut().zip(backends) {
        stream.write_all(b"talk").with_context(|| backend.clone())?;
        stream
            .read_exact(&mut [0; 4])
            .with_context(|| backend.clone())?;
    }
    Ok(())
}

fn greetings(streams: &mut [TcpStream]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for stream in streams {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        names.push(tidegate_rig::EchoServer::parse(std::str::from_utf8(&line)?)?.0);
    }
    Ok(names)
}
