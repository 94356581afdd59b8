//! Large datagrams from ordinary sockets, there and back.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Svc, World};
use tidegate_rig::{EchoServer, Netns};

use crate::world;

/// From one byte more than fits, to nearly all that UDP can carry; the answer is a line longer.
const SIZES: [usize; 5] = [1473, 4000, 9001, 32_768, 65_400];
/// One may be lost on a busy machine: a receiver's buffer is small against 64 KiB.
const TRIES: usize = 4;

/// Sends a datagram and compares its echo; says which backend answered.
pub(crate) fn echo(socket: &UdpSocket, to: SocketAddr, size: usize) -> Result<String> {
    let payload: Vec<u8> = (0..size).map(|nth| (nth % 251) as u8).collect();
    let mut buffer = vec![0; 1 << 16];
    let mut failed = None;
    for _ in 0..TRIES {
        let _sent = socket.send_to(&payload, to).context("send")?;
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                ensure!(from == to, "the answer came from {from}");
                let answer = &buffer[..length];
                let end = answer
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .context("no line")?;
                ensure!(answer[end + 1..] == payload, "another payload came back");
                return Ok(EchoServer::parse(std::str::from_utf8(&answer[..end])?)?.0);
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.context("no try")?).with_context(|| format!("{size} bytes to {to}"))
}

/// An unconnected socket that does not wait for ever.
pub(crate) fn socket(like: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(if like.is_ipv6() {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    })?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    Ok(socket)
}

fn all_sizes(from: &Netns, to: SocketAddr, pod: &str) -> Result<()> {
    from.run(|| -> Result<()> {
        let socket = socket(to)?;
        for size in SIZES {
            let backend = echo(&socket, to, size)?;
            ensure!(backend == pod, "{backend} answered");
        }
        Ok(())
    })
    .with_context(|| format!("{} to {to}, backend {pod}", from.name()))
}

/// Every client to a local and a remote backend.
fn everywhere(world: &World, svc: &Svc) -> Result<()> {
    for pod in [world.a(1), world.b(1)] {
        world.put(svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            let node_port = svc.node_port(world.node_address(v6));
            for (from, to) in [
                (&world.scene.client, node_port),
                (&world.scene.client, svc.vip(v6)),
                (&world.a(2).ns, svc.cluster(v6)),
                (&world.a(2).ns, node_port),
                (&world.scene.a.ns, svc.cluster(v6)),
                // Itself, when it is the backend.
                (&world.a(1).ns, svc.cluster(v6)),
            ] {
                all_sizes(from, to, &pod.name)?;
            }
        }
    }
    Ok(())
}

#[test]
fn rule_5_6_1_and_5_6_2_datagrams_of_64_kib_pass_through_every_frontend_both_ways() -> Result<()> {
    let world = world()?;
    everywhere(&world, &Svc::new("large", 1).with_vip())
}

#[test]
fn rule_5_6_1_datagrams_of_64_kib_pass_where_xdp_comes_first() -> Result<()> {
    let world = World::builder().pods(2, 1).xdp().build()?;
    everywhere(&world, &Svc::new("large-xdp", 1).with_vip())
}

#[test]
fn rule_5_6_1_a_large_first_datagram_of_a_flow_is_translated_too() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("large-first", 2);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            let to = svc.node_port(world.node_address(v6));
            world.scene.client.run(|| -> Result<()> {
                for _ in 0..20 {
                    // A new socket, so a new flow, each time.
                    let backend = echo(&socket(to)?, to, 20_000)?;
                    ensure!(backend == pod.name, "{backend} answered");
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}
