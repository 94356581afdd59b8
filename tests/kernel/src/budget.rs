//! How many instructions the verifier may walk through for each program.
//!
//! A fifth more than what it took when the line was written, on whichever kernel took most. Whoever needs more
//! says why in the commit that changes the line.

use tidegate_loader::kernel_at_least;

/// Program, budget from Linux 6.4 on, and before. Older verifiers do not follow which numbers matter across a call.
const BUDGETS: [(&str, u32, u32); 17] = [
    ("xdp_uplink", 375_000, 682_000),
    ("tc_uplink", 297_000, 526_000),
    ("tc_pod", 297_000, 526_000),
    ("tc_overlay", 297_000, 526_000),
    ("tc_host", 26_100, 30_000),
    ("tc_aside4", 242_000, 371_000),
    ("tc_aside6", 240_000, 312_000),
    ("tc_sweep", 72_000, 395_000),
    ("tc_ask", 2_300, 4_400),
    ("connect4", 4_900, 10_000),
    ("connect6", 15_000, 23_800),
    ("sendmsg4", 4_900, 10_000),
    ("sendmsg6", 15_000, 23_800),
    ("recvmsg4", 70, 70),
    ("recvmsg6", 160, 160),
    ("getpeername4", 70, 70),
    ("getpeername6", 160, 160),
];

/// How many programs have a budget.
pub const PROGRAMS: usize = BUDGETS.len();

/// A program's budget on this kernel.
pub fn of(program: &str) -> Option<u32> {
    let (_, new, old) = BUDGETS.iter().find(|(name, ..)| *name == program)?;
    Some(if kernel_at_least(6, 4) { *new } else { *old })
}
