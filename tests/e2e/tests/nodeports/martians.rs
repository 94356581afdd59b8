//! Packets from the wire that claim to be for the loopback.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, ensure};
use tidegate_e2e::{Ep, Svc, World};
use tidegate_frames::{Frame, frame::tcp::SYN};
use tidegate_rig::{EchoServer, Wire, mac_of};

use crate::world;

/// Frames with a loopback destination and this port, straight to the node's network card.
fn send(world: &World, port: u16) -> Result<()> {
    let client = &world.scene.client;
    let wire = Wire::open(client, "eth0")?;
    let macs = (mac_of(client, "eth0")?, mac_of(&world.scene.a.ns, "eth0")?);
    for v6 in [false, true] {
        let source = SocketAddr::new(world.client_address(v6), 45_000);
        let loopback = if v6 {
            (Ipv6Addr::LOCALHOST, port).into()
        } else {
            (Ipv4Addr::LOCALHOST, port).into()
        };
        for _ in 0..5 {
            let datagram = Frame::udp(source, loopback).payload("tide");
            wire.send(&datagram.macs(macs.0, macs.1).build())?;
        }
        // One that arrives, so that the others have had their time: a reset tells.
        let real = SocketAddr::new(world.node_address(v6), 9);
        let knock = Frame::tcp(source, real).flags(SYN);
        wire.send(&knock.macs(macs.0, macs.1).build())?;
        let refusal = wire.receive(Duration::from_secs(5), |frame| {
            frame.len() > 50 && frame[..6] == macs.0 && frame[6..12] == macs.1
        })?;
        ensure!(refusal.is_some(), "the node is deaf");
    }
    Ok(())
}

#[test]
fn rule_3_5_10_and_3_5_14_loopback_destinations_from_the_wire_are_never_translated() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("martian", 31);
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let process = EchoServer::start(&world.scene.a.ns, "process", 32_000)?;
    for route_localnet in [0, 1] {
        world
            .scene
            .a
            .ns
            .sysctl("ipv4.conf.eth0.route_localnet", route_localnet)?;
        let before = world.echoes[0].datagrams();
        send(&world, svc.node_port_number())?;
        let heard = world.echoes[0].datagrams() - before;
        ensure!(
            heard == 0,
            "route_localnet={route_localnet}: {heard} datagrams at the pod"
        );
    }
    // We never set route_localnet, so the kernel's own guard holds for processes of the node.
    world
        .scene
        .a
        .ns
        .sysctl("ipv4.conf.eth0.route_localnet", 0)?;
    send(&world, 32_000)?;
    ensure!(
        process.datagrams() == 0,
        "{} datagrams at the process",
        process.datagrams()
    );
    Ok(())
}
