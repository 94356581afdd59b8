//! ICMP: errors about translated packets, errors of this node's own, and pings of service addresses.

mod errors;
mod ping;
mod quoted;

use anyhow::Result;
use tidegate_e2e::{Borrowed, Shared, World};

static WORLD: Shared = Shared::new(|| World::builder().build());

fn world() -> Result<Borrowed<'static>> {
    WORLD.borrow()
}
