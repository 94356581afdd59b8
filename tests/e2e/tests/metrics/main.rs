//! What monitoring reads at the agent's port, beside traffic whose size is known.

mod scrape;
mod page;
mod counts;
mod living;
mod lives;
mod port;

use anyhow::Result;
use tidegate_e2e::{Borrowed, Shared, World};

/// The world of all tests that do not bring their own; each has Services of its own.
fn world() -> Result<Borrowed<'static>> {
    static WORLD: Shared = Shared::new(|| World::builder().build());
    WORLD.borrow()
}
