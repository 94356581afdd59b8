//! A flood of first packets on one Service, while connections of another one go on (decision 20).

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Proto, Svc, Udp, World, ask, goes_on, open};
use tidegate_frames::{Frame, frame::tcp::SYN};
use tidegate_rig::{Wire, mac_of};

use crate::scaled;

/// Records, two for each flow: a flood in a test is larger.
const FLOWS: &str = "32768";
const ESTABLISHED: usize = 200;
/// Source ports of each address of the flood.
const PORTS: u32 = 50_000;

/// First packets from addresses that are routed to the client, and belong to nobody.
struct Flood {
    wire: Wire,
    macs: [[u8; 6]; 2],
    proto: Proto,
    to: SocketAddr,
}

impl Flood {
    fn on(world: &World, proto: Proto, to: SocketAddr) -> Result<Self> {
        let client = &world.scene.client;
        Ok(Self {
            wire: Wire::open(client, "eth0")?,
            macs: [mac_of(client, "eth0")?, mac_of(&world.scene.a.ns, "eth0")?],
            proto,
            to,
        })
    }

    fn send(&self, nth: u32) -> Result<()> {
        let host = u8::try_from(nth / PORTS)?;
        let port = u16::try_from(1024 + nth % PORTS)?;
        let from = SocketAddr::from((Ipv4Addr::new(198, 18, self.proto as u8, host), port));
        let [ours, theirs] = self.macs;
        let frame = match self.proto {
            Proto::Tcp => Frame::tcp(from, self.to)
                .flags(SYN)
                .macs(ours, theirs)
                .build(),
            Proto::Udp => Frame::udp(from, self.to).macs(ours, theirs).build(),
        };
        // A full queue is what a flood is.
        let _full = self.wire.send(&frame);
        Ok(())
    }
}

fn established(to: SocketAddr) -> Result<TcpStream> {
    let mut stream = open(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // The handshake's last packet is on its way before this; now it has arrived.
    goes_on(&mut stream)?;
    Ok(stream)
}

#[test]
fn rule_5_7_11_a_flood_of_first_packets_pushes_out_no_established_flow_of_another_service()
-> Result<()> {
    let world = World::builder().args(&["--flows", FLOWS]).build()?;
    let (calm, attacked) = (Svc::new("calm", 1), Svc::new("attacked", 2));
    world.put(&calm, &[Ep::of(world.a(1)), Ep::of(world.b(1))])?;
    // Nobody is there who could answer: half of a connection is all that there ever is. On this node, since
    // masquerade ports would end the flood early.
    let nobody = [IpAddr::from([10, 244, 0, 177]), "fd00:244::177".parse()?];
    world.put(&attacked, &[Ep::at(nobody, "nodea")])?;
    let node = world.node_address(false);
    let via = world.client_address(false);
    world
        .scene
        .a
        .ns
        .ip(&format!("route add 198.18.0.0/15 via {via}"))?;

    let client = world.scene.client.clone();
    let to = calm.node_port(node);
    let mut streams = client.run(|| {
        let many = (0..ESTABLISHED).map(|_| established(to));
        many.collect::<Result<Vec<_>>>()
    })?;
    let talker = client.run(|| Udp::bind(0, to))?;
    let known = talker.ask(to)?;
    for _ in 0..3 {
        ensure!(talker.ask(to)?.backend == known.backend);
    }
    for proto in [Proto::Udp, Proto::Tcp] {
        let flood = Flood::on(&world, proto, attacked.node_port(node))?;
        let (count, begun) = (scaled(150_000, 1_000_000), Instant::now());
        for nth in 0..count {
            flood.send(nth)?;
            if nth % (count / 50) == 0 {
                let one = nth as usize / 7 % ESTABLISHED;
                goes_on(&mut streams[one])
                    .with_context(|| format!("amid the flood of {proto:?}, after {nth}"))?;
            }
        }
        let took = begun.elapsed();
        eprintln!(
            "{count} first packets of {proto:?} in {took:?}: {:.0} a second",
            f64::from(count) / took.as_secs_f64()
        );
        let mut lost = 0;
        for stream in &mut streams {
            lost += usize::from(goes_on(stream).is_err());
        }
        ensure!(
            lost == 0,
            "{lost} of {ESTABLISHED} flows were pushed out by {proto:?}"
        );
        let answer = talker.ask(to)?;
        ensure!(
            answer.backend == known.backend,
            "{known:?}, then {answer:?}"
        );
        let _answer = client.run(|| ask(Proto::Tcp, to)).context("a new one")?;
    }
    let reached = world.counted("new_flow")?;
    ensure!(reached > 2 * 100_000, "the flood did not arrive: {reached}");
    Ok(())
}
