//! Datagrams larger than the links: fragments in order and out of order, and links that get narrower.

mod datagrams;
mod reordered;
mod steps;

use anyhow::Result;
use tidegate_e2e::{Borrowed, Shared, World};

static WORLD: Shared = Shared::new(|| World::builder().build());

fn world() -> Result<Borrowed<'static>> {
    WORLD.borrow()
}
