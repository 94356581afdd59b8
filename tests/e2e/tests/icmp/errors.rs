//! Errors from a backend's side reach the socket that asked.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, World, refused, soon};
use tidegate_rig::Netns;

use crate::world;

/// Nobody listens there.
const DEAF: u16 = 9999;

/// Who dials what.
fn dials<'a>(world: &'a World, svc: &Svc, v6: bool) -> [(&'a Netns, SocketAddr); 6] {
    let node_port = svc.node_port(world.node_address(v6));
    [
        (&world.scene.client, node_port),
        (&world.scene.client, svc.vip(v6)),
        (&world.a(2).ns, svc.cluster(v6)),
        (&world.a(2).ns, node_port),
        // The backend itself.
        (&world.a(1).ns, svc.cluster(v6)),
        (&world.scene.a.ns, svc.cluster(v6)),
    ]
}

#[test]
fn rule_5_5_7_and_5_5_1_a_deaf_target_port_refuses_from_a_local_and_a_remote_backend() -> Result<()>
{
    let world = world()?;
    let svc = Svc::new("deaf", 1).with_vip();
    for pod in [world.a(1), world.b(1)] {
        // A host sends few ICMP errors a second to one peer.
        pod.ns.sysctl("ipv4.icmp_ratelimit", 0)?;
        pod.ns.sysctl("ipv6.icmp.ratelimit", 0)?;
        world.put(&svc, &[Ep::of(pod).port(DEAF)])?;
        for v6 in [false, true] {
            for (from, to) in dials(&world, &svc, v6) {
                for proto in Proto::BOTH {
                    refused(from, proto, to).with_context(|| format!("backend {}", pod.name))?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn rule_5_5_7_a_flow_that_is_refused_once_is_served_as_soon_as_somebody_listens() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("late", 2);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod).port(DEAF)])?;
        let to = svc.node_port(world.node_address(false));
        let socket = world.scene.client.run(|| connected(to))?;
        ensure!(
            asked(&socket) == Err(ErrorKind::ConnectionRefused),
            "{}",
            pod.name
        );
        let _server = tidegate_rig::EchoServer::start(&pod.ns, "late", DEAF)?;
        soon(|| {
            let answer = asked(&socket);
            ensure!(answer.is_ok(), "{answer:?}");
            Ok(())
        })?;
    }
    Ok(())
}

fn connected(to: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" })?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(socket)
}

/// What becomes of one datagram: how long the answer is, or the error.
fn asked(socket: &UdpSocket) -> Result<usize, ErrorKind> {
    socket
        .send(b"tide")
        .and_then(|_sent| socket.recv(&mut [0; 512]))
        .map_err(|error| error.kind())
}
