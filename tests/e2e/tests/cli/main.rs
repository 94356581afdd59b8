//! Each command of the contract as users and scripts run it: the real binary in a namespace, its exit codes,
//! and what it prints on a terminal and in JSON.

mod ran;
mod check;
mod codes;
mod completion;
mod describe;
mod flows;
mod lists;
mod screens;
mod status;
mod store;
mod watch;

use anyhow::Result;
use tidegate_e2e::{Borrowed, Shared, World};

static WORLD: Shared = Shared::new(|| World::builder().build());

fn world() -> Result<Borrowed<'static>> {
    WORLD.borrow()
}
