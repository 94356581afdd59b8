//! `loadBalancerSourceRanges` (3.6): who may use a load-balancer address, and that nothing else is guarded.

mod lists;
mod scope;
mod state;

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_e2e::{Borrowed, Ep, Outcome, Proto, Shared, Svc, World, all_silent, probe};
use tidegate_rig::Netns;

/// The client of the LAN is in the ranges; the other node's processes are the strangers.
static WORLD: Shared = Shared::new(|| {
    let world = World::builder().build()?;
    let [v4, v6] = world.scene.a.addresses();
    world.scene.b.ns.ip(&format!(
        "route add 198.51.100.0/24 via {v4}\nroute add 2001:db8:51::/64 via {v6}\n\
         route add 203.0.113.0/24 via {v4}\nroute add 2001:db8:cb::/64 via {v6}"
    ))?;
    Ok(world)
});

/// The client on the LAN, and nobody else.
const CLIENT: [&str; 2] = ["192.168.1.10/32", "fd00:1::10/128"];

fn world() -> Result<Borrowed<'static>> {
    WORLD.borrow()
}

fn guarded(name: &str, number: u8, ranges: &[&str]) -> Svc {
    Svc::new(name, number)
        .with_vip()
        .with_external_ip()
        .spec("loadBalancerSourceRanges", json!(ranges))
}

/// Fails unless it is answered.
fn open(from: &Netns, proto: Proto, to: SocketAddr) -> Result<()> {
    let outcome = probe(from, proto, to);
    ensure!(
        matches!(outcome, Outcome::Answered(_)),
        "{proto:?} {} to {to}: {outcome:?}, expected an answer",
        from.name()
    );
    Ok(())
}

/// Those who must be dropped for their source; they wait for nothing together.
#[derive(Default)]
struct Blocked<'a>(Vec<(&'a Netns, Proto, SocketAddr)>);

impl<'a> Blocked<'a> {
    fn add(&mut self, from: &'a Netns, proto: Proto, to: SocketAddr) {
        self.0.push((from, proto, to));
    }

    /// Fails unless nothing is heard by any, and each was counted.
    fn check(&self, world: &World) -> Result<()> {
        let before = world.counted("source_range")?;
        all_silent(&self.0)?;
        let counted = world.counted("source_range")? - before;
        ensure!(
            counted >= self.0.len() as u64,
            "{counted} of {} were dropped for their source",
            self.0.len()
        );
        Ok(())
    }
}

/// Ready pods on both nodes.
fn pods(world: &World) -> Vec<Ep> {
    Ep::all([world.a(1), world.b(1)])
}
