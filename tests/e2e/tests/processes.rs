//! Processes of the node, which are translated in their sockets: what they hear, and what they send.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Shared, Svc, Udp, World};
use tidegate_rig::Capture;

static WORLD: Shared = Shared::new(|| World::builder().build());

const PATIENCE: Duration = Duration::from_secs(5);

/// Every frontend of a Service that a process of node A may dial.
fn frontends(world: &World, svc: &Svc, v6: bool) -> [SocketAddr; 4] {
    let node_port = svc.node_port(world.node_address(v6));
    [svc.cluster(v6), node_port, svc.vip(v6), svc.external(v6)]
}

#[test]
fn rule_5_2_16_who_sends_to_a_service_hears_from_the_service() -> Result<()> {
    let world = WORLD.borrow()?;
    let svc = Svc::new("hears", 1).with_vip().with_external_ip();
    world.put(&svc, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    for v6 in [false, true] {
        let frontends = frontends(&world, &svc, v6);
        world.scene.a.ns.run(|| -> Result<()> {
            // One socket asks them all in turn, so that each answer has three others to be taken for.
            let socket = Udp::bind(0, frontends[0])?;
            for to in frontends.iter().cycle().take(40) {
                let _heard_from_it = socket.ask(*to)?;
            }
            Ok(())
        })?;
    }
    world.remove(&svc)
}

#[test]
fn rule_4_19_each_datagram_of_an_unconnected_socket_goes_where_the_record_says() -> Result<()> {
    let world = WORLD.borrow()?;
    let svc = Svc::new("sticks", 2)
        .with_vip()
        .with_external_ip()
        .affinity(10_800);
    let pods = [world.a(1), world.a(2), world.b(1), world.b(2)];
    world.put(&svc, &Ep::all(pods))?;
    for v6 in [false, true] {
        let frontends = frontends(&world, &svc, v6);
        world.scene.a.ns.run(|| -> Result<()> {
            let first = Udp::bind(0, frontends[0])?.ask(frontends[0])?.backend;
            let socket = Udp::bind(0, frontends[0])?;
            for to in frontends.iter().cycle().take(40) {
                let met = socket.ask(*to)?.backend;
                ensure!(met == first, "{to}: {met}, before {first}");
            }
            Ok(())
        })?;
    }
    world.remove(&svc)
}

#[test]
fn rule_2_4_13_a_process_is_refused_without_a_packet() -> Result<()> {
    let world = WORLD.borrow()?;
    let svc = Svc::new("nobody", 3).with_vip().with_external_ip();
    world.put(&svc, &[])?;
    let node = &world.scene.a.ns;
    let to_services = "net 10.96.0.0/12 or net 198.51.100.0/24 or net 203.0.113.0/24 \
                       or net fd00:96::/112 or net 2001:db8::/32 or port 30003";
    let capture = Capture::start(&world.scene, node, "any", to_services)?;
    for v6 in [false, true] {
        for to in frontends(&world, &svc, v6) {
            node.run(|| refused(to)).with_context(|| to.to_string())?;
        }
    }
    let packets = capture.finish()?;
    ensure!(packets.is_empty(), "{packets:?}");
    world.remove(&svc)
}

/// A stream, a connected socket and an unconnected one.
fn refused(to: SocketAddr) -> Result<()> {
    let kind = |result: std::io::Result<()>| result.err().map(|error| error.kind());
    let socket = UdpSocket::bind(if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" })?;
    let told = [
        kind(TcpStream::connect_timeout(&to, PATIENCE).map(drop)),
        kind(socket.send_to(b"tide", to).map(drop)),
        kind(socket.connect(to)),
    ];
    ensure!(told == [Some(ErrorKind::ConnectionRefused); 3], "{told:?}");
    Ok(())
}
