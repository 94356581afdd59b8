//! Services that nobody serves, and changes of who serves them.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tidegate_e2e::{Proto, Setup, ask, dial};
use tidegate_rig::Netns;

/// The three kinds of client, and what they dial of a Service.
fn callers(setup: &Setup, v6: bool) -> [(&Netns, SocketAddr); 4] {
    let service = Setup::EMPTY;
    let (pod, node) = (&setup.scene.a.pods[0].ns, &setup.scene.a.ns);
    [
        (pod, service.cluster(v6)),
        (&setup.scene.client, service.node_port(setup, v6)),
        (node, service.cluster(v6)),
        (node, service.node_port(setup, v6)),
    ]
}

#[test]
fn rule_2_4_1_without_endpoints_tcp_is_refused_at_once() -> Result<()> {
    for attach in ["auto", "xdp"] {
        let setup = Setup::new(attach, attach == "auto", &[])?;
        for v6 in [false, true] {
            for (from, to) in callers(&setup, v6) {
                let (error, took) = from.run(|| {
                    let begin = Instant::now();
                    (
                        TcpStream::connect_timeout(&to, Duration::from_secs(3)).err(),
                        begin.elapsed(),
                    )
                });
                let kind = error.map(|error| error.kind());
                ensure!(
                    kind == Some(ErrorKind::ConnectionRefused),
                    "{attach}: {} to {to}: {kind:?}",
                    from.name()
                );
                ensure!(
                    took < Duration::from_millis(900),
                    "{} to {to} took {took:?}",
                    from.name()
                );
            }
        }
    }
    Ok(())
}

#[test]
fn rule_2_4_1_without_endpoints_udp_gets_econnrefused() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    for v6 in [false, true] {
        for (from, to) in callers(&setup, v6) {
            let refused = from.run(|| udp_is_refused(to))?;
            ensure!(refused, "{} to {to}: not refused", from.name());
        }
    }
    Ok(())
}

/// Whether connect, send or the receive after it says "connection refused".
fn udp_is_refused(to: SocketAddr) -> Result<bool> {
    let socket = UdpSocket::bind(if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" })?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
    if let Err(error) = socket.connect(to) {
        return Ok(refused(error));
    }
    if let Err(error) = socket.send(b"tide") {
        return Ok(refused(error));
    }
    Ok(socket.recv(&mut [0; 16]).err().is_some_and(refused))
}

#[test]
fn rule_5_1_1_new_flows_follow_a_change_within_100_ms_and_established_tcp_goes_on() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let (a1, a2, b1) = (
        &setup.scene.a.pods[0],
        &setup.scene.a.pods[1],
        &setup.scene.b.pods[0],
    );
    for to in [
        Setup::LOCAL.node_port(&setup, false),
        Setup::LOCAL.node_port(&setup, true),
    ] {
        setup.set_endpoints(Setup::LOCAL, &[a1])?;
        answered_by(&setup.scene.client, to, &a1.name)?;
        let mut kept = setup.scene.client.run(|| dial(0, to))?;
        let _greeting = kept.read(&mut [0; 256])?;
        for next in [a2, b1] {
            setup.set_endpoints(Setup::LOCAL, &[next])?;
            answered_by(&setup.scene.client, to, &next.name)?;
            for _ in 0..50 {
                let answer = setup.scene.client.run(|| ask(Proto::Tcp, to))?;
                ensure!(
                    answer.backend == next.name,
                    "{} after the change",
                    answer.backend
                );
            }
            kept.write_all(b"still here")
                .context("the established flow")?;
            let mut echo = [0; 10];
            kept.read_exact(&mut echo).context("the established flow")?;
            ensure!(&echo == b"still here");
        }
        // Nobody left: refused; then served again.
        setup.set_endpoints(Setup::LOCAL, &[])?;
        within_100_ms(|| setup.scene.client.run(|| Ok(ask(Proto::Tcp, to).is_err())))?;
        setup.set_endpoints(Setup::LOCAL, &[a1])?;
        answered_by(&setup.scene.client, to, &a1.name)?;
    }
    Ok(())
}

/// Waits until the pod answers.
fn answered_by(client: &Netns, to: SocketAddr, pod: &str) -> Result<()> {
    within_100_ms(|| {
        client.run(|| Ok(ask(Proto::Tcp, to).is_ok_and(|answer| answer.backend == pod)))
    })
    .with_context(|| format!("{to} answered by {pod}"))
}

/// The promise is 100 ms; a busy machine gets far more before the test calls it broken, since
/// the time that a change takes is a benchmark's business.
fn within_100_ms(mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) {
        if done()? {
            eprintln!("followed after {:?}", begin.elapsed());
            return Ok(());
        }
    }
    bail!("not within 20 s")
}

#[test]
fn rule_5_2_2_a_udp_socket_moves_when_its_backend_goes() -> Result<()> {
    let setup = Setup::new("auto", true, &[])?;
    let (a1, b1) = (&setup.scene.a.pods[0], &setup.scene.b.pods[0]);
    for v6 in [false, true] {
        let to = Setup::LOCAL.node_port(&setup, v6);
        setup.set_endpoints(Setup::LOCAL, &[a1])?;
        answered_by(&setup.scene.client, to, &a1.name)?;
        setup.scene.client.run(|| -> Result<()> {
            let socket = tidegate_e2e::Udp::bind(0, to)?;
            ensure!(socket.ask(to)?.backend == a1.name);
            setup.set_endpoints(Setup::LOCAL, &[b1])?;
            within_100_ms(|| Ok(socket.ask(to).is_ok_and(|answer| answer.backend == b1.name)))
        })?;
    }
    Ok(())
}
