//! The same client port to the same pod, once directly and once through a Service: neither stream may
//! hear the other.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Socket, Type};
use tidegate_e2e::{Ep, SERVICE_PORT, Svc};
use tidegate_rig::Netns;

use crate::world;

const PORT: u16 = 43_000;

/// A socket on the one port, which may be shared.
fn bound(kind: Type, port: u16, to: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), kind, None)?;
    socket.set_reuse_address(true)?;
    let any = if to.is_ipv6() { "[::]" } else { "0.0.0.0" };
    let own: SocketAddr = format!("{any}:{port}").parse()?;
    socket.bind(&own.into())?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.connect_timeout(&to.into(), Duration::from_secs(5))?;
    Ok(socket)
}

fn say(stream: &mut TcpStream, word: &[u8]) -> Result<()> {
    stream.write_all(word)?;
    let mut echo = vec![0; word.len()];
    stream.read_exact(&mut echo)?;
    ensure!(echo == word, "said {word:?}, heard {echo:?}");
    Ok(())
}

fn tcp(from: &Netns, port: u16, first: SocketAddr, second: SocketAddr) -> Result<()> {
    let streams = from.run(|| -> Result<Vec<TcpStream>> {
        [first, second]
            .into_iter()
            .map(|to| {
                let stream = bound(Type::STREAM, port, to).with_context(|| format!("to {to}"));
                Ok(stream?.into())
            })
            .collect()
    });
    let mut streams = streams?;
    for stream in &mut streams {
        let mut byte = [0];
        while byte != *b"\n" {
            stream.read_exact(&mut byte).context("greeting")?;
        }
    }
    for _ in 0..5 {
        say(&mut streams[0], b"the first").context("the first stream")?;
        say(&mut streams[1], b"and the second").context("the second stream")?;
    }
    // When one ends the other goes on.
    drop(streams.remove(0));
    std::thread::sleep(Duration::from_millis(50));
    say(&mut streams[0], b"still here").context("the stream that is left")
}

fn udp(from: &Netns, port: u16, first: SocketAddr, second: SocketAddr) -> Result<()> {
    from.run(|| -> Result<()> {
        let sockets: Vec<UdpSocket> = [first, second]
            .into_iter()
            .map(|to| Ok(bound(Type::DGRAM, port, to)?.into()))
            .collect::<Result<_>>()?;
        for _ in 0..5 {
            for (socket, word) in sockets.iter().zip([&b"the first"[..], b"and the second"]) {
                let mut buffer = [0; 256];
                let _sent = socket.send(word)?;
                let length = socket.recv(&mut buffer)?;
                ensure!(
                    buffer[..length].ends_with(word),
                    "another's answer to {word:?}"
                );
            }
        }
        Ok(())
    })
}

#[test]
fn trap_t10_one_tuple_directly_and_through_a_service_at_once_does_not_mix() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("direct", 51);
    let from = &world.a(2).ns;
    let mut port = PORT;
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            let direct = (pod.addresses()[usize::from(v6)], 8080).into();
            let through = svc.cluster(v6);
            ensure!(through.port() == SERVICE_PORT);
            for (first, second) in [(direct, through), (through, direct)] {
                port += 1;
                tcp(from, port, first, second)
                    .with_context(|| format!("TCP {first}, then {second}"))?;
                udp(from, port, first, second)
                    .with_context(|| format!("UDP {first}, then {second}"))?;
            }
        }
    }
    Ok(())
}
