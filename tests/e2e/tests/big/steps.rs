//! Links that get narrower on the way, at this node and beyond it (5.5.4, 5.5.11, 5.6.1).
//!
//! Every end says that it takes large segments (`advmss`), as hosts do that are far from the narrow link;
//! else TCP would never send a packet that is too big.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Borrowed, Discover, Ep, Shared, Svc, World, dial, discover, soon};
use tidegate_rig::{Netns, link};

use crate::datagrams::{echo, socket};

/// At this node: a client on a link of 9000, and pods and the LAN on links of 1500.
static HERE: Shared = Shared::new(|| {
    let mut world = World::builder()
        .pods(2, 1)
        .args(&["--uplink", "eth*"])
        .build()?;
    let wide = add_client(&mut world, "a", 9000)?;
    world.extra.push(wide);
    for pod in [world.a(1), world.a(2), world.b(1)] {
        claim_large_segments(&pod.ns, 1500)?;
    }
    Ok(world)
});

/// Beyond this node: links of 1280 behind node B, to a pod and to a client.
static BEYOND: Shared = Shared::new(|| {
    let mut world = World::builder().pods(2, 1).build()?;
    let far = add_client(&mut world, "b", 1280)?;
    let b = &world.scene.b;
    world.scene.a.ns.ip(&format!(
        "route add 10.9.0.0/24 via {}\nroute add fd00:9::/64 via {}",
        b.v4, b.v6
    ))?;
    b.ns.ip(&format!("link set {} mtu 1280", world.b(1).device))?;
    for (pod, mtu) in [(world.a(1), 1500), (world.a(2), 1500), (world.b(1), 1280)] {
        claim_large_segments(&pod.ns, mtu)?;
    }
    world.extra.push(far);
    Ok(world)
});

/// A machine at another cable of a node, which is its router.
fn add_client(world: &mut World, node: &str, mtu: u32) -> Result<Netns> {
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

fn claim_large_segments(pod: &Netns, mtu: u32) -> Result<()> {
    pod.ip(&format!(
        "route replace default via 169.254.1.1 dev eth0 mtu {mtu} advmss 8900\n\
         route replace default via fe80::1 dev eth0 mtu {mtu} advmss 8900"
    ))
}

/// Sends a megabyte and reads it back: large segments in both directions.
fn transfer(from: &Netns, to: SocketAddr) -> Result<()> {
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
fn learns(from: &Netns, to: SocketAddr, size: usize, path: usize) -> Result<()> {
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
fn forget(ns: &Netns) -> Result<()> {
    ns.sh("ip -4 route flush cache; ip -6 route flush cache")
        .map(|_said| ())
}

fn here() -> Result<(Borrowed<'static>, Netns)> {
    let world = HERE.borrow()?;
    let wide = world.extra[0].clone();
    Ok((world, wide))
}

#[test]
fn rule_5_5_11_and_5_5_4_tcp_passes_from_9000_to_1500_at_this_node() -> Result<()> {
    let (world, wide) = here()?;
    let svc = Svc::new("here-tcp", 21);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            transfer(&wide, svc.node_port(world.node_address(v6)))
                .with_context(|| pod.name.clone())?;
        }
    }
    Ok(())
}

#[test]
fn rule_5_5_11_and_5_5_4_udp_senders_learn_of_1500_at_this_node() -> Result<()> {
    let (world, wide) = here()?;
    let svc = Svc::new("here-udp", 22);
    for v6 in [false, true] {
        let to = svc.node_port(world.node_address(v6));
        world.put(&svc, &[Ep::of(world.b(1))])?;
        // What an earlier test learnt is forgotten.
        forget(&wide)?;
        learns(&wide, to, 8000, 1500)?;
        // A pod of this node is reached past its link, so nothing is too big for it.
        world.put(&svc, &[Ep::of(world.a(1))])?;
        forget(&wide)?;
        wide.run(|| -> Result<()> {
            let socket = socket(to)?;
            discover(&socket, Discover::Do)?;
            let _pod = echo(&socket, to, 8000).context("a pod of this node")?;
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn rule_5_6_1_datagrams_that_may_be_cut_up_pass_from_9000_to_1500_at_this_node() -> Result<()> {
    let (world, wide) = here()?;
    let svc = Svc::new("here-cut", 24);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        let to = svc.node_port(world.node_address(false));
        wide.run(|| -> Result<()> {
            let socket = socket(to)?;
            discover(&socket, Discover::Dont)?;
            for size in [2000, 8000, 20_000, 65_400] {
                let backend = echo(&socket, to, size)?;
                ensure!(backend == pod.name, "{backend} answered");
            }
            Ok(())
        })
        .with_context(|| pod.name.clone())?;
    }
    Ok(())
}

#[test]
fn rule_5_6_1_datagrams_of_ipv6_pass_from_9000_to_1500_once_the_sender_knows() -> Result<()> {
    let (world, wide) = here()?;
    let svc = Svc::new("here-cut6", 25);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        let to = svc.node_port(world.node_address(true));
        // Routers do not cut IPv6 up: the first datagrams are lost, and the sender is told.
        wide.run(|| -> Result<()> {
            let socket = socket(to)?;
            for size in [2000, 8000, 20_000, 65_400] {
                let backend = soon(|| echo(&socket, to, size))?;
                ensure!(backend == pod.name, "{backend} answered");
            }
            Ok(())
        })
        .with_context(|| pod.name.clone())?;
    }
    Ok(())
}

#[test]
fn rule_5_5_4_and_5_5_1_tcp_learns_of_a_narrow_link_behind_a_remote_backends_node() -> Result<()> {
    let world = BEYOND.borrow()?;
    let svc = Svc::new("beyond-pod", 31);
    world.put(&svc, &[Ep::of(world.b(1))])?;
    for v6 in [false, true] {
        let node_port = svc.node_port(world.node_address(v6));
        for (from, to) in [
            (&world.scene.client, node_port),
            (&world.a(2).ns, node_port),
            (&world.a(2).ns, svc.cluster(v6)),
            (&world.scene.a.ns, svc.cluster(v6)),
        ] {
            forget(from)?;
            transfer(from, to)?;
        }
    }
    Ok(())
}

#[test]
fn rule_5_5_4_and_5_5_1_udp_learns_of_a_narrow_link_behind_a_remote_backends_node() -> Result<()> {
    let world = BEYOND.borrow()?;
    let svc = Svc::new("beyond-udp", 32);
    world.put(&svc, &[Ep::of(world.b(1))])?;
    for v6 in [false, true] {
        let node_port = svc.node_port(world.node_address(v6));
        for (from, to) in [
            (&world.scene.client, node_port),
            (&world.a(2).ns, node_port),
            (&world.a(2).ns, svc.cluster(v6)),
        ] {
            forget(from)?;
            learns(from, to, 1400, 1280)?;
        }
    }
    Ok(())
}

#[test]
fn rule_5_5_4_and_5_5_3_backends_learn_of_a_narrow_link_on_the_clients_side() -> Result<()> {
    let world = BEYOND.borrow()?;
    let far = world.extra[0].clone();
    let svc = Svc::new("beyond-client", 33);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            forget(&pod.ns)?;
            let to = svc.node_port(world.node_address(v6));
            transfer(&far, to).with_context(|| pod.name.clone())?;
        }
    }
    Ok(())
}
