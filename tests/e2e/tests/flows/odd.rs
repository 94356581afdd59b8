//! A segment far outside of the window (5.3.7): the "invalid conntrack state" scenario of Kubernetes.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use tidegate_e2e::{Ep, Svc, World, dial};
use tidegate_frames::{
    Frame,
    frame::tcp::{ACK, PSH, RST},
    oracle::dissect::dissect,
};
use tidegate_rig::{Pod, Wire, mac_of};

use crate::world;

/// Of a TCP frame: source, destination, sequence and acknowledgement numbers, flags.
fn tcp(frame: &[u8]) -> Option<(SocketAddr, SocketAddr, u32, u32, u8)> {
    let anatomy = dissect(frame).ok()?;
    let header = frame.get(anatomy.transport..anatomy.transport + 20)?;
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    (anatomy.protocol == 6).then(|| {
        let (src, dst) = (
            SocketAddr::new(anatomy.src, port(0)),
            SocketAddr::new(anatomy.dst, port(2)),
        );
        (src, dst, number(4), number(8), header[13])
    })
}

#[test]
fn rule_5_3_7_and_5_3_8_a_segment_outside_of_the_window_is_translated_and_harms_nobody()
-> Result<()> {
    let world = world()?;
    let svc = Svc::new("boom", 21);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            boom(&world, &svc, pod, v6).with_context(|| format!("{}, IPv6: {v6}", pod.name))?;
        }
    }
    Ok(())
}

fn boom(world: &World, svc: &Svc, pod: &Pod, v6: bool) -> Result<()> {
    let client = &world.scene.client;
    let to = svc.node_port(world.node_address(v6));
    let (at_pod, at_client) = (Wire::open(&pod.ns, "eth0")?, Wire::open(client, "eth0")?);
    let mut stream = client.run(|| dial(0, to))?;
    let own = stream.local_addr()?;
    let _greeting = stream.read(&mut [0; 256])?;
    // What the pod sent last tells the numbers.
    let sent = at_pod.receive(Duration::from_secs(5), |frame| {
        tcp(frame).is_some_and(|(src, _, _, _, flags)| src.port() == 8080 && flags & PSH != 0)
    })?;
    let (src, dst, seq, ack, _) = sent
        .as_deref()
        .and_then(tcp)
        .context("the pod sent nothing")?;
    let next_hop = mac_of(
        if pod.node == "nodea" {
            &world.scene.a.ns
        } else {
            &world.scene.b.ns
        },
        &pod.device,
    )?;
    let far = Frame::tcp(src, dst)
        .seq(seq.wrapping_sub(100_000))
        .ack(ack)
        .flags(ACK | PSH);
    let far = far.payload("boom").macs(mac_of(&pod.ns, "eth0")?, next_hop);
    at_pod.send(&far.build())?;
    // It arrives as from the address that was dialled, and the client has no reason for a reset.
    let arrived = at_client.receive(Duration::from_secs(5), |frame| frame.ends_with(b"boom"))?;
    let arrived = arrived.context("it did not arrive")?;
    let (src, dst, ..) = tcp(&arrived).ok_or_else(|| anyhow!("no TCP"))?;
    ensure!(
        src == to && dst == own,
        "{src} to {dst}, expected {to} to {own}"
    );
    stream.write_all(b"still")?;
    stream.read_exact(&mut [0; 5]).context("the connection")?;
    let reset = at_client.receive(Duration::from_millis(200), |frame| {
        tcp(frame).is_some_and(|(src, _, _, _, flags)| src == own && flags & RST != 0)
    })?;
    ensure!(reset.is_none(), "the client sent a reset");
    Ok(())
}
