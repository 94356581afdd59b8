//! Packets a second through a node, from one core that sends and forwards: with tidegate, with kube-proxy's
//! rules, with plain forwarding, and with redirects that do not think, in one run.

use std::{any::Any, net::SocketAddr};

use anyhow::{Result, ensure};
use tidegate_frames::frame::Frame;

use crate::{
    driver::{Driver, Plan},
    lane::{CLIENT, Lane, NODE, attach_tc, attach_xdp},
    report::{Report, Row},
    rules::{NODE_PORT, To},
    way::{Way, ways},
};

/// Packets of one measurement, and how many there are of each.
const PACKETS: u32 = 1 << 19;
const ROUNDS: usize = 5;
/// Flows that are known.
const KNOWN: u32 = 1 << 10;
/// Flows of which most are new: more than there are packets.
const NEW: u32 = 1 << 22;

pub(crate) fn run(report: &mut Report, quick: bool, only: &[String]) -> Result<()> {
    for to in [To::Pod, To::OtherNode] {
        for flows in [KNOWN, NEW] {
            for way in ways(to, quick) {
                if way.is_ceiling() && flows == NEW {
                    continue;
                }
                let kind = if flows == KNOWN { "known" } else { "new" };
                let label = vec![to.place().to_owned(), kind.to_owned(), way.to_string()];
                if !only
                    .iter()
                    .all(|word| label.iter().any(|it| it.contains(word)))
                {
                    continue;
                }
                match measure(way, to, flows) {
                    Ok(rate) => report.add(Row::rate("forward", label, rate / 1e6, "Mpps")),
                    Err(error) => eprintln!("bench: forward {}: {error:#}", label.join(" ")),
                }
            }
        }
    }
    Ok(())
}

/// The best of some rounds: others are of a machine that did something else, too.
fn measure(way: Way, to: To, flows: u32) -> Result<f64> {
    let lane = Lane::new()?;
    let mut driver = Driver::load()?;
    let is_xdp = matches!(
        way,
        Way::Tidegate { attach: "xdp", .. } | Way::Ceiling("ceiling_tx")
    );
    let _sink = match to {
        To::Pod => attach_tc(&mut driver, "sink_tc", &lane.pod, "eth0")?,
        // What XDP sends back needs XDP at the other end.
        To::OtherNode if is_xdp => attach_xdp(&mut driver, "sink_xdp", &lane.sender, "eth0")?,
        To::OtherNode => attach_tc(&mut driver, "sink_tc", &lane.sender, "eth0")?,
    };
    let _held = set_up(way, to, &lane, &mut driver)?;
    let dialled = match way {
        Way::Plain => SocketAddr::from((to.address(), 8080)),
        _ => SocketAddr::from((NODE, NODE_PORT)),
    };
    let plan = plan(&lane, dialled, to, flows);
    let packets = if flows == NEW {
        NEW / (2 * ROUNDS as u32)
    } else {
        PACKETS
    };
    // Flows are made, neighbours are found, caches are filled.
    let _warm: f64 = lane.send(&mut driver, &plan, 1 << 13)?;
    let mut best: f64 = 0.0;
    for _ in 0..ROUNDS {
        best = best.max(lane.send(&mut driver, &plan, packets)?);
    }
    ensure!(best > 1000.0, "nearly nothing arrived");
    Ok(best)
}

fn set_up(way: Way, to: To, lane: &Lane, driver: &mut Driver) -> Result<Option<Box<dyn Any>>> {
    Ok(match way {
        Way::Ceiling("ceiling_tx") => Some(Box::new(attach_xdp(
            driver,
            "ceiling_tx",
            &lane.node.ns,
            "eth0",
        )?)),
        Way::Ceiling(name) => Some(Box::new(attach_tc(driver, name, &lane.node.ns, "eth0")?)),
        _ => way.set_up(to, "UDP", lane)?,
    })
}

fn plan(lane: &Lane, dialled: SocketAddr, to: To, flows: u32) -> Plan {
    let [sender, node] = lane.macs;
    let client = SocketAddr::from((CLIENT, 0));
    let mut bytes = Frame::udp(client, dialled).payload(&[0; 18]).build();
    bytes.resize(64, 0);
    bytes[..6].copy_from_slice(&node);
    bytes[6..12].copy_from_slice(&sender);
    let mut template = [0; 64];
    template.copy_from_slice(&bytes[..64]);
    let target = match to {
        To::Pod => lane.devices.to_pod,
        To::OtherNode => lane.devices.uplink,
    };
    Plan {
        template,
        mask: flows - 1,
        side: 0,
        device: lane.devices.sender,
        target,
    }
}
