//! Services that change: type, labels, ports, addresses, owners; and what stays behind (nothing).

mod labels;
mod modes;
mod owners;
mod ports;
mod walk;

use anyhow::Result;
use tidegate_e2e::{Borrowed, Shared, World};

static WORLD: Shared = Shared::new(|| World::builder().build());

fn world() -> Result<Borrowed<'static>> {
    WORLD.borrow()
}
