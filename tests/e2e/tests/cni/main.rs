//! `tidegate cni` as a runtime runs it, after a plugin that made the pod's link; and devices that a
//! program declares at the socket.

mod alone;
mod away;
mod declared;
mod forgotten;
mod http;
mod plugin;
mod pod;
mod served;

use anyhow::Result;
use tidegate_e2e::{Borrowed, Shared, World};

static WORLD: Shared = Shared::new(|| World::builder().pods(1, 1).build());

fn world() -> Result<Borrowed<'static>> {
    WORLD.borrow()
}
