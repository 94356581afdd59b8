//! On which addresses NodePorts answer, and what else may use their numbers.

mod addresses;
mod listeners;
mod martians;
mod replies;

use anyhow::Result;
use tidegate_e2e::{Borrowed, Shared, World};

static WORLD: Shared = Shared::new(|| {
    let world = World::builder()
        .args(&["--nodeport-addresses", "all"])
        .build()?;
    addresses::add_more(&world)?;
    Ok(world)
});

fn world() -> Result<Borrowed<'static>> {
    WORLD.borrow()
}
