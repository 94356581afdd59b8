//! Neighbours: those that are not known yet, and those that ask for addresses which are not ours to announce.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, Udp};
use tidegate_frames::frame::non_ip;
use tidegate_rig::{Wire, mac_of};

use crate::world;

#[test]
fn trap_t65_the_first_packet_of_a_flow_is_not_lost_when_a_neighbour_is_unknown() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("unknown", 11);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            let to = svc.node_port(world.node_address(v6));
            for _ in 0..3 {
                world
                    .scene
                    .a
                    .ns
                    .sh("ip neigh flush all; ip -6 neigh flush all")?;
                // One datagram, and no second one.
                let answer = world.scene.client.run(|| Udp::bind(0, to)?.ask(to));
                let answer = answer.with_context(|| format!("{to}, backend {}", pod.name))?;
                ensure!(answer.backend == pod.name, "{answer:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn rule_3_8_1_nobody_answers_arp_for_service_addresses() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("announced", 12).with_vip().with_external_ip();
    world.put(&svc, &[Ep::of(world.a(1))])?;
    let client = &world.scene.client;
    let wire = Wire::open(client, "eth0")?;
    let own = mac_of(client, "eth0")?;
    let ask = |ip: IpAddr, within: Duration| -> Result<bool> {
        let IpAddr::V4(ip) = ip else { return Ok(false) };
        let sender = [192, 168, 1, 10];
        let mut request = vec![0, 1, 8, 0, 6, 4, 0, 1];
        request.extend(own.iter().chain(&sender).chain(&[0; 6]).chain(&ip.octets()));
        let mut frame = non_ip(0x0806, &request);
        frame[..6].copy_from_slice(&[0xff; 6]);
        frame[6..12].copy_from_slice(&own);
        wire.send(&frame)?;
        // A reply, operation 2, of this address.
        let is_reply = |it: &[u8]| {
            it.len() >= 42 && it[12..14] == [8, 6] && it[21] == 2 && it[28..32] == ip.octets()
        };
        Ok(wire.receive(within, is_reply)?.is_some())
    };
    ensure!(
        ask(world.node_address(false), Duration::from_secs(5))?,
        "the node is deaf"
    );
    for ip in [
        svc.vip(false).ip(),
        svc.external(false).ip(),
        svc.cluster(false).ip(),
    ] {
        ensure!(
            !ask(ip, Duration::from_millis(300))?,
            "somebody answered for {ip}"
        );
    }
    let _still = tidegate_e2e::probe(client, Proto::Tcp, svc.vip(false));
    Ok(())
}
