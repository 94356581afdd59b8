//! What tests ask of a running agent, by environment variables that no document for users names (decision 23).

use std::env;

use tidegate_loader::{self as loader, Abi};

/// `TIDEGATE_TEST_DIE_AFTER=N`: the agent kills itself after its Nth change of something in the kernel.
pub(crate) fn arm() {
    if let Some(steps) = number("TIDEGATE_TEST_DIE_AFTER") {
        loader::die_after(steps.into());
    }
}

/// `TIDEGATE_TEST_ABI=N`: the agent takes itself for one of another version, for which the maps in
/// `TIDEGATE_TEST_CHANGED` mean something else than before.
pub(crate) fn abi() -> Abi {
    let Some(version) = number("TIDEGATE_TEST_ABI") else {
        return Abi::default();
    };
    let changed = env::var("TIDEGATE_TEST_CHANGED").unwrap_or_default();
    let changed: Vec<&str> = changed.split(',').filter(|it| !it.is_empty()).collect();
    Abi::pretended(version, &changed)
}

fn number(name: &str) -> Option<u32> {
    env::var(name).ok()?.parse().ok()
}
