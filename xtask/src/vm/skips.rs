//! Tests that an older kernel cannot pass, each with what it lacks.

use super::floors::Floor;
use super::kernels::Kernel;

/// A test that is not run.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Skip {
    floor: Floor,
    /// Part of the test's name.
    pub(super) test: &'static str,
    /// The kernels that it is not run on.
    kernels: &'static [Kernel],
    pub(super) why: &'static str,
}

const SKIPS: &[Skip] = &[];

/// What a kernel is spared on a floor.
pub(super) fn of(kernel: Kernel, floor: Floor) -> Vec<&'static Skip> {
    let spared = SKIPS
        .iter()
        .filter(|skip| skip.floor == floor && skip.kernels.contains(&kernel));
    spared.collect()
}
