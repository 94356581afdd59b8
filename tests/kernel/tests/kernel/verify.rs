//! The verifier accepts every program, and none grows unnoticed.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::stage::Stage;

/// Instructions that the verifier may walk through: what it took when the line was written, and a
/// fifth more. Whoever needs more says why in the commit that changes the line.
const BUDGETS: [(&str, u32); 17] = [
    ("xdp_uplink", 390_000),
    ("tc_uplink", 450_000),
    ("tc_pod", 460_000),
    ("tc_overlay", 445_000),
    ("tc_host", 60_000),
    ("tc_aside4", 560_000),
    ("tc_aside6", 560_000),
    ("tc_sweep", 48_000),
    ("tc_ask", 5_000),
    ("connect4", 6_000),
    ("connect6", 18_600),
    ("sendmsg4", 6_000),
    ("sendmsg6", 18_600),
    ("recvmsg4", 70),
    ("recvmsg6", 160),
    ("getpeername4", 70),
    ("getpeername6", 160),
];

#[test]
fn every_program_loads_within_its_budget() -> Result<()> {
    let stage = Stage::new()?;
    let counts: BTreeMap<String, u32> =
        stage.load()?.verified_instructions()?.into_iter().collect();
    for (program, budget) in BUDGETS {
        let count = counts.get(program).copied().unwrap_or(0);
        ensure!(count > 0, "{program} was not counted: {counts:?}");
        ensure!(
            count <= budget,
            "{program}: {count} instructions, its budget is {budget}"
        );
    }
    ensure!(
        counts.len() == BUDGETS.len(),
        "a program without a budget: {counts:?}"
    );
    Ok(())
}
