//! What errors look like on the wire: the client sees the address that it dialled, outside and quoted.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use tidegate_e2e::{Ep, Svc, World};
use tidegate_frames::oracle::{dissect::dissect, quoted_endpoints, verify};
use tidegate_rig::{Netns, Wire};

use crate::world;

/// Longer than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often one asks: the machines' own errors are rate-limited.
const TRIES: usize = 3;
const UDP: u8 = 17;

/// ICMP type and code.
type Kind = (u8, u8);

const PORT_UNREACHABLE: [Kind; 2] = [(3, 3), (1, 4)];
const TIME_EXCEEDED: [Kind; 2] = [(11, 0), (3, 0)];
/// A `route add unreachable`; IPv6 has "no route" for it.
const HOST_UNREACHABLE: [Kind; 2] = [(3, 1), (1, 0)];

/// Sends a datagram with this TTL from a socket that stays open until the error was seen.
fn sender(from: &Netns, to: SocketAddr, ttl: u32) -> Result<UdpSocket> {
    from.run(|| {
        let socket = UdpSocket::bind(if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" })?;
        socket.connect(to)?;
        if to.is_ipv6() {
            socket2::SockRef::from(&socket).set_unicast_hops_v6(ttl)?;
        } else {
            socket.set_ttl(ttl)?;
        }
        Ok(socket)
    })
}

/// Sends, and wants an error that quotes what was sent, from the dialled address, all checksums right.
fn expect(from: &Netns, to: SocketAddr, ttl: u32, kinds: [Kind; 2]) -> Result<()> {
    let wire = Wire::open(from, "eth0")?;
    let socket = sender(from, to, ttl)?;
    let quoted = Some((UDP, socket.local_addr()?, to));
    let mut seen = None;
    for _ in 0..TRIES {
        // An earlier error may be the answer to a send.
        let _sent = socket
            .send(b"tide")
            .or_else(|_refused| socket.send(b"tide"));
        seen = wire.receive(PATIENCE, |frame| quoted_endpoints(frame) == quoted)?;
        if seen.is_some() {
            break;
        }
    }
    let frame = seen.with_context(|| format!("no error that quotes {quoted:?}"))?;
    let anatomy = dissect(&frame).map_err(|wrong| anyhow!(wrong))?;
    ensure!(anatomy.src == to.ip(), "from {}, dialled {to}", anatomy.src);
    verify(&frame).map_err(|wrong| anyhow!(wrong))?;
    let kind = (frame[anatomy.transport], frame[anatomy.transport + 1]);
    let expected = kinds[usize::from(to.is_ipv6())];
    ensure!(
        kind == expected,
        "type and code {kind:?}, expected {expected:?}"
    );
    Ok(())
}

/// Machines send few errors a second to one peer; here they are to say all.
fn talkative(ns: &Netns) -> Result<()> {
    ns.sysctl("ipv4.icmp_ratelimit", 0)?;
    ns.sysctl("ipv6.icmp.ratelimit", 0)
}

/// The clients and frontends of which each sees only what it dialled.
fn dials<'a>(world: &'a World, svc: &Svc, v6: bool) -> [(&'a Netns, SocketAddr); 4] {
    let node_port = svc.node_port(world.node_address(v6));
    [
        (&world.scene.client, node_port),
        (&world.scene.client, svc.vip(v6)),
        (&world.a(2).ns, svc.cluster(v6)),
        (&world.a(2).ns, node_port),
    ]
}

fn all_expect(world: &World, svc: &Svc, ttl: u32, kinds: [Kind; 2]) -> Result<()> {
    for v6 in [false, true] {
        for (from, to) in dials(world, svc, v6) {
            expect(from, to, ttl, kinds).with_context(|| format!("{} to {to}", from.name()))?;
        }
    }
    Ok(())
}

#[test]
fn rule_5_5_1_and_5_5_2_and_5_5_7_a_port_unreachable_shows_the_dialled_address_only() -> Result<()>
{
    let world = world()?;
    let svc = Svc::new("shown", 11).with_vip();
    for pod in [world.a(1), world.b(1)] {
        talkative(&pod.ns)?;
        world.put(&svc, &[Ep::of(pod).port(9999)])?;
        all_expect(&world, &svc, 64, PORT_UNREACHABLE).with_context(|| pod.name.clone())?;
    }
    Ok(())
}

#[test]
fn rule_5_6_12_and_5_5_11_each_hop_takes_one_from_the_ttl_and_tells_when_it_is_used_up()
-> Result<()> {
    let world = world()?;
    let svc = Svc::new("hops", 12).with_vip();
    world.put(&svc, &[Ep::of(world.b(1))])?;
    talkative(&world.scene.b.ns)?;
    // This node, then the other one, both by the dialled address (decision 12); then it arrives.
    for ttl in [1, 2] {
        all_expect(&world, &svc, ttl, TIME_EXCEEDED).with_context(|| format!("TTL {ttl}"))?;
    }
    for v6 in [false, true] {
        for (from, to) in dials(&world, &svc, v6) {
            let socket = sender(from, to, 3)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            let _sent = socket.send(b"tide")?;
            let _length = socket
                .recv(&mut [0; 256])
                .with_context(|| format!("TTL 3, {to}"))?;
        }
    }
    Ok(())
}

#[test]
fn rule_5_5_8_an_unreachable_backend_on_another_node_is_told_to_the_client() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("dead", 13).with_vip();
    let (v4, v6) = ("10.244.1.99", "fd00:244:1::99");
    let node = &world.scene.b.ns;
    talkative(node)?;
    node.ip(&format!(
        "route add unreachable {v4}/32\nroute add unreachable {v6}/128"
    ))?;
    world.put(&svc, &[Ep::at([v4.parse()?, v6.parse()?], "nodeb")])?;
    all_expect(&world, &svc, 64, HOST_UNREACHABLE)
}

#[test]
fn rule_5_5_11_an_unreachable_backend_on_this_node_is_told_to_the_client() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("dead-here", 14).with_vip();
    let (v4, v6) = ("10.244.0.99", "fd00:244::99");
    let node = &world.scene.a.ns;
    talkative(node)?;
    node.ip(&format!(
        "route add unreachable {v4}/32\nroute add unreachable {v6}/128"
    ))?;
    world.put(&svc, &[Ep::at([v4.parse()?, v6.parse()?], "nodea")])?;
    all_expect(&world, &svc, 64, HOST_UNREACHABLE)
}
