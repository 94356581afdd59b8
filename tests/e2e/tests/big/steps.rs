//! Links that get narrower on the way, at this node and beyond it (5.5.4, 5.5.11, 5.6.1).
//!
//! Every end says that it takes large segments (`advmss`), as hosts do that are far from the narrow link;
//! else TCP would never send a packet that is too big.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Discover, World, dial, discover, soon};
use tidegate_rig::{Netns, link};

mod beyond;
mod here;

use crate::datagrams::{echo, socket};

/// A machine at another cable of a node, which is its router.
pub(super) fn add_client(world: &mut World, node: &str, mtu: u32) -> Result<Netns> {
    let client = world.scene.scene_mut().netns("wide")?;
    let node = if node == "a" {
        &world.scene.a
    } else {
        &world.scene.b
    };
    for ns in [&client, &node.ns] {
        for scope in ["all", "default"] {
            ns.sysctl(&format!("ipv6.conf.{scope}.accept_dad"), 0)?;
        }
    }
    link(&client, "eth0", &node.ns, "eth1")?;
    node.ns.ip(&format!(
        "link set eth1 mtu {mtu}\naddr add 10.9.0.1/24 dev eth1\naddr add fd00:9::1/64 dev eth1 nodad"
    ))?;
    client.ip(&format!(
        "link set eth0 mtu {}\naddr add 10.9.0.2/24 dev eth0\naddr add fd00:9::2/64 dev eth0 nodad\n\
         route add default via 10.9.0.1 mtu {mtu} advmss 8900\n\
         route add default via fd00:9::1 mtu {mtu} advmss 8900",
        mtu.max(1500)
    ))?;
    Ok(client)
}

pub(super) fn claim_large_segments(pod: &Netns, mtu: u32) -> Result<()> {
    pod.ip(&format!(
        "route replace default via 169.254.1.1 dev eth0 mtu {mtu} advmss 8900\n\
         route replace default via fe80::1 dev eth0 mtu {mtu} advmss 8900"
    ))
}

/// Sends a megabyte and reads it back: large segments in both directions.
pub(super) fn transfer(from: &Netns, to: SocketAddr) -> Result<()> {
    const BYTES: usize = 1 << 20;
    from.run(|| -> Result<()> {
        let stream = dial(0, to)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let sent: Vec<u8> = (0..BYTES).map(|nth| (nth % 239) as u8).collect();
        let heard = std::thread::scope(|scope| {
            let writer = scope.spawn(|| (&stream).write_all(&sent));
            let heard = read_back(&stream, BYTES);
            // A writer that waits for a dead peer would wait for ever.
            let _shut = heard
                .is_err()
                .then(|| stream.shutdown(std::net::Shutdown::Both));
            drop(writer.join());
            heard
        })?;
        ensure!(heard == sent, "other bytes came back");
        Ok(())
    })
    .with_context(|| format!("a megabyte from {} to {to}", from.name()))
}

fn read_back(mut stream: &TcpStream, bytes: usize) -> Result<Vec<u8>> {
    let mut byte = [0];
    while byte != *b"\n" {
        stream.read_exact(&mut byte).context("greeting")?;
    }
    let mut heard = vec![0; bytes];
    let mut length = 0;
    while length < bytes {
        match stream.read(&mut heard[length..]) {
            Ok(more @ 1..) => length += more,
            other => anyhow::bail!("{other:?} after {length} bytes"),
        }
    }
    Ok(heard)
}

/// Datagrams that must not be cut up: the sender learns the path's size, and then one that fits passes.
pub(super) fn learns(from: &Netns, to: SocketAddr, size: usize, path: usize) -> Result<()> {
    from.run(|| -> Result<()> {
        let socket = socket(to)?;
        discover(&socket, Discover::Do)?;
        soon(|| {
            let sent = socket.send_to(&vec![0; size], to);
            let error = sent.err().and_then(|error| error.raw_os_error());
            ensure!(error == Some(libc::EMSGSIZE), "not told: {error:?}");
            Ok(())
        })?;
        let headers = if to.is_ipv6() { 48 } else { 28 };
        // The answer has a line more, which must fit as well.
        let _pod = echo(&socket, to, path - headers - 80)?;
        Ok(())
    })
    .with_context(|| format!("{size} bytes from {} to {to}", from.name()))
}

/// What earlier connections learnt of their paths.
pub(super) fn forget(ns: &Netns) -> Result<()> {
    ns.sh("ip -4 route flush cache; ip -6 route flush cache")
        .map(|_said| ())
}
