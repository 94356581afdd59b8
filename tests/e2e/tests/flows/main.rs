//! Flows at their edges: odd segments, used-up ports, reused ports, agents that come late, backends
//! that are nodes.

mod direct;
mod host_backends;
mod neighbours;
mod odd;
mod ports;
mod terminating;
mod attach;

use anyhow::Result;
use tidegate_e2e::{Borrowed, Shared, World};

static WORLD: Shared = Shared::new(|| World::builder().build());

fn world() -> Result<Borrowed<'static>> {
    WORLD.borrow()
}
