//! Source ports: used up, and used again at once.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Socket, Type};
use tidegate_e2e::{Ep, Proto, Svc, Talker, World, all_silent, dial};

use crate::world;

#[test]
fn rule_5_3_10_and_3_2_3_when_masquerade_ports_run_out_new_flows_fail_and_old_ones_live()
-> Result<()> {
    let world = World::builder()
        .pods(1, 1)
        .args(&["--masquerade-ports", "20000-20001"])
        .build()?;
    let svc = Svc::new("few-ports", 1);
    world.put(&svc, &[Ep::of(world.b(1))])?;
    let client = &world.scene.client;
    for v6 in [false, true] {
        let to = svc.node_port(world.node_address(v6));
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = client.run(|| dial(0, to))?;
            let _greeting = stream.read(&mut [0; 256])?;
            streams.push(stream);
        }
        let talkers = [
            Talker::start(client, to, false)?,
            Talker::start(client, to, false)?,
        ];
        for talker in &talkers {
            talker.hears_from(0, &world.b(1).name)?;
        }
        let before = world.counted("no_masquerade_port")?;
        all_silent(&Proto::BOTH.map(|proto| (client, proto, to)))?;
        ensure!(
            world.counted("no_masquerade_port")? >= before + 2,
            "not for its port"
        );
        for stream in &mut streams {
            stream.write_all(b"still")?;
            stream
                .read_exact(&mut [0; 5])
                .context("an earlier connection")?;
        }
        for talker in &talkers {
            talker.hears_from(talker.sent(), &world.b(1).name)?;
        }
    }
    Ok(())
}

/// One request from a source port; the connection ends with a reset, so the port is free at once.
fn request(port: u16, to: SocketAddr) -> Result<String> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_linger(Some(Duration::ZERO))?;
    let any = if to.is_ipv6() { "[::]" } else { "0.0.0.0" };
    let own: SocketAddr = format!("{any}:{port}").parse()?;
    socket.bind(&own.into())?;
    socket.connect_timeout(&to.into(), Duration::from_secs(5))?;
    let mut stream: std::net::TcpStream = socket.into();
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = [0; 256];
    let length = stream.read(&mut line)?;
    stream.write_all(b"tide")?;
    stream.read_exact(&mut [0; 4]).context("the echo")?;
    let line = std::str::from_utf8(&line[..length])?;
    Ok(line.split(' ').next().unwrap_or_default().to_owned())
}

#[test]
fn rule_5_3_1_and_5_3_9_a_source_port_is_used_again_at_once_and_balanced_afresh() -> Result<()> {
    const PORT: u16 = 42_000;
    const REQUESTS: usize = 200;
    let world = world()?;
    let svc = Svc::new("reused", 41);
    let (a1, b1) = (world.a(1), world.b(1));
    for v6 in [false, true] {
        let node_port = svc.node_port(world.node_address(v6));
        for (from, to) in [
            (&world.scene.client, node_port),
            (&world.a(2).ns, svc.cluster(v6)),
        ] {
            world.put(&svc, &[Ep::of(a1)])?;
            let ask = || {
                from.run(|| request(PORT, to))
                    .with_context(|| format!("to {to}"))
            };
            let begun = std::time::Instant::now();
            for nth in 0..REQUESTS {
                let pod = ask().with_context(|| format!("request {nth}"))?;
                ensure!(pod == a1.name);
            }
            // TCP would send a lost SYN again after a second.
            let took = begun.elapsed();
            ensure!(
                took < Duration::from_secs(1) * u32::try_from(REQUESTS / 4)?,
                "{took:?}"
            );
            // The backend changes: the port does not stick to the old one.
            world.put(&svc, &[Ep::of(b1)])?;
            for nth in 0..10 {
                let pod = ask().with_context(|| format!("request {nth} after the change"))?;
                ensure!(pod == b1.name, "{pod} answered");
            }
        }
    }
    Ok(())
}
