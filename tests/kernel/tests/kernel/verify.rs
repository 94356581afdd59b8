//! The verifier accepts every program, and none grows unnoticed.

use anyhow::{Context as _, Result, ensure};
use tidegate_kernel_tests::budget;
use tidegate_loader::kernel_at_least;

use crate::stage::Stage;

#[test]
fn every_program_loads_within_its_budget() -> Result<()> {
    let stage = Stage::new()?;
    let counts = stage.load()?.verified_instructions()?;
    for (program, count) in &counts {
        let budget = budget::of(program).with_context(|| format!("{program} has no budget"))?;
        // Before, the kernel does not tell.
        ensure!(
            *count > 0 || !kernel_at_least(5, 16),
            "{program} was not counted: {counts:?}"
        );
        ensure!(
            *count <= budget,
            "{program}: {count} instructions, its budget is {budget}"
        );
    }
    ensure!(counts.len() == budget::PROGRAMS, "{counts:?}");
    Ok(())
}
