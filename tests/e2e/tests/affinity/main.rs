//! Session affinity (section 4): who comes back gets the backend that it had.

mod changes;
mod clock;
mod keys;

use anyhow::Result;
use tidegate_e2e::{Borrowed, Ep, Shared, Svc, World};
use tidegate_rig::Netns;

static WORLD: Shared = Shared::new(|| World::builder().args(&["--external-clusterip"]).build());

fn world() -> Result<Borrowed<'static>> {
    WORLD.borrow()
}

/// Four endpoints, so that chance sticks rarely.
fn four(world: &World) -> Vec<Ep> {
    Ep::all([world.a(1), world.a(2), world.b(1), world.b(2)])
}

/// Clients with different addresses: the LAN, the other node, a pod, and the node itself.
fn clients(world: &World) -> [&Netns; 4] {
    let TwoNodes { client, a, b, .. } = &world.scene;
    [client, &b.ns, &world.a(3).ns, &a.ns]
}

use tidegate_rig::TwoNodes;

fn sticky(name: &str, number: u8) -> Svc {
    Svc::new(name, number)
        .with_vip()
        .with_external_ip()
        .affinity(10_800)
}
