//! Packets a second through a node, from one core that sends and forwards: with tidegate, with kube-proxy's
//! rules, with plain forwarding, and with redirects that do not think, in one run.

use std::{any::Any, net::SocketAddr};

use anyhow::{Result, ensure};
use tidegate_frames::frame::Frame;

use crate::{
    driver::{Driver, Plan, side},
    lane::{Attached, Entry, Lane, NODE, attach_tc, attach_xdp},
    report::{Report, Row, is_wanted},
    rules::{By, NODE_PORT, To, cluster_ip},
    way::{Way, ways},
};

/// Packets of one measurement of flows that are known, and how many of these there are.
const PACKETS: u32 = 1 << 19;
const KNOWN: u32 = 1 << 10;
/// Packets of one measurement of flows that are new, and how many of these there are: none comes twice, and all
/// together need fewer masquerade ports than there are.
const NEW_PACKETS: u32 = 1 << 12;
const NEW: u32 = 1 << 18;
/// Packets before: flows are made and answered, clients speak again, neighbours are found, caches are filled.
const WARM: u32 = 1 << 12;
const ROUNDS: usize = 6;

pub(crate) fn run(report: &mut Report, quick: bool, only: &[String]) -> Result<()> {
    for by in [By::NodePort, By::ClusterIp] {
        for to in [To::Pod, To::OtherNode] {
            for flows in [KNOWN, NEW] {
                group(report, (by, to, flows), quick, only)?;
            }
        }
    }
    Ok(())
}

fn group(
    report: &mut Report,
    (by, to, flows): (By, To, u32),
    quick: bool,
    only: &[String],
) -> Result<()> {
    let kind = if flows == KNOWN { "known" } else { "new" };
    let place = format!("{by:?} {}", to.place());
    let label = |way: Way| vec![place.clone(), kind.to_owned(), way.to_string()];
    let mut roads = Vec::new();
    for way in ways(by, to, quick) {
        if (way.is_ceiling() && flows == NEW) || !is_wanted(&label(way), only) {
            continue;
        }
        match Road::new(way, by, to, flows) {
            Ok(road) => roads.push(road),
            Err(error) => eprintln!("bench: forward {}: {error:#}", label(way).join(" ")),
        }
    }
    // By turns: what else this machine does meets all of them.
    for _ in 0..ROUNDS {
        for road in &mut roads {
            road.measure()?;
        }
    }
    let plain = roads.iter().find(|road| road.way == Way::Plain);
    let plain = plain.map(|road| road.best / 1e6);
    for road in roads {
        let row = Row::rate("forward", label(road.way), road.best / 1e6, "Mpps");
        report.add(row.against(plain));
    }
    Ok(())
}

/// A way that is set up.
struct Road {
    way: Way,
    by: By,
    plan: Plan,
    packets: u32,
    /// Of its rounds: others are of a machine that did something else, too.
    best: f64,
    _held: Option<Box<dyn Any>>,
    _sink: Attached,
    driver: Driver,
    lane: Lane,
}

impl Road {
    fn new(way: Way, by: By, to: To, flows: u32) -> Result<Self> {
        let lane = Lane::new()?;
        let mut driver = Driver::load()?;
        let is_xdp = matches!(
            way,
            Way::Tidegate { attach: "xdp", .. } | Way::Ceiling("ceiling_tx")
        );
        let sink = match to {
            To::Pod => attach_tc(&mut driver, "sink_tc", &lane.pod, "eth0")?,
            // What XDP sends back needs XDP at the other end.
            To::OtherNode if is_xdp => attach_xdp(&mut driver, "sink_xdp", &lane.sender, "eth0")?,
            To::OtherNode => attach_tc(&mut driver, "sink_tc", &lane.sender, "eth0")?,
        };
        let entry = lane.entry(by)?;
        let held = set_up(way, to, (&lane, &entry), &mut driver)?;
        let dialled = match (way, by) {
            (Way::Plain, _) => SocketAddr::from((to.address(), 8080)),
            (_, By::NodePort) => SocketAddr::from((NODE, NODE_PORT)),
            (_, By::ClusterIp) => SocketAddr::from((cluster_ip(way.services()), 80)),
        };
        let plan = plan((&lane, &entry), dialled, to, flows);
        let answered = if flows == KNOWN { side::ANSWERED } else { 0 };
        let warm = Plan {
            side: plan.side | answered,
            ..plan
        };
        let _warm: f64 = Lane::send(lane.from(by), &mut driver, &warm, WARM)?;
        Ok(Self {
            way,
            by,
            plan,
            packets: if flows == NEW { NEW_PACKETS } else { PACKETS },
            best: 0.0,
            _held: held,
            _sink: sink,
            driver,
            lane,
        })
    }

    fn measure(&mut self) -> Result<()> {
        let from = self.lane.from(self.by);
        let rate = Lane::send(from, &mut self.driver, &self.plan, self.packets)?;
        ensure!(rate > 1000.0, "{}: nearly nothing arrived", self.way);
        self.best = self.best.max(rate);
        Ok(())
    }
}

fn set_up(
    way: Way,
    to: To,
    (lane, entry): (&Lane, &Entry),
    driver: &mut Driver,
) -> Result<Option<Box<dyn Any>>> {
    let (node, at) = (&lane.node.ns, entry.at_node);
    Ok(match way {
        Way::Ceiling("ceiling_tx") => Some(Box::new(attach_xdp(driver, "ceiling_tx", node, at)?)),
        Way::Ceiling(name) => Some(Box::new(attach_tc(driver, name, node, at)?)),
        _ => way.set_up(to, "UDP", lane)?,
    })
}

fn plan((lane, entry): (&Lane, &Entry), dialled: SocketAddr, to: To, flows: u32) -> Plan {
    let [sender, node] = entry.macs;
    let client = SocketAddr::from((entry.client, 0));
    let mut bytes = Frame::udp(client, dialled).payload([0; 18]).build();
    bytes.resize(64, 0);
    bytes[..6].copy_from_slice(&node);
    bytes[6..12].copy_from_slice(&sender);
    let target = match to {
        To::Pod => lane.to_pod,
        To::OtherNode => lane.uplink,
    };
    Plan {
        device: entry.device,
        target,
        ..Plan::of(&bytes, flows, 0)
    }
}
