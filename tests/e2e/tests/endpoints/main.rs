//! Which endpoints serve: ready, terminating and unready ones, several slices, and oneself.

mod conditions;
mod fallback;
mod hairpin;
mod nobody;
mod short;
mod slices;

use anyhow::Result;
use tidegate_e2e::{Borrowed, Shared, World};

static WORLD: Shared = Shared::new(|| World::builder().build());

fn world() -> Result<Borrowed<'static>> {
    WORLD.borrow()
}
