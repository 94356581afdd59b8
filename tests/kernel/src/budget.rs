//! How many instructions the verifier may walk through for each program.
//!
//! A fifth more than what it took when the line was written, on whichever of the kernels of `docs/verifier.md` took
//! most. Whoever needs more says why in the commit that changes the line.

use tidegate_loader::kernel_at_least;

/// Program, budget from Linux 6.4 on, and before. Older verifiers do not follow which numbers matter across a call.
const BUDGETS: [(&str, u32, u32); 17] = [
    ("xdp_uplink", 224_000, 315_000),
    ("tc_uplink", 266_000, 356_000),
    ("tc_pod", 266_000, 356_000),
    ("tc_overlay", 266_000, 356_000),
    ("tc_host", 30_300, 33_400),
    ("tc_aside4", 177_000, 213_000),
    ("tc_aside6", 234_000, 232_000),
    ("tc_sweep", 69_000, 37_300),
    ("tc_ask", 2_330, 4_420),
    ("connect4", 4_770, 9_940),
    ("connect6", 14_800, 23_600),
    ("sendmsg4", 4_770, 9_940),
    ("sendmsg6", 14_800, 23_600),
    ("recvmsg4", 60, 60),
    ("recvmsg6", 165, 165),
    ("getpeername4", 60, 60),
    ("getpeername6", 165, 165),
];

/// How many programs have a budget.
pub const PROGRAMS: usize = BUDGETS.len();

/// A program's budget on this kernel.
pub fn of(program: &str) -> Option<u32> {
    let (_, new, old) = BUDGETS.iter().find(|(name, ..)| *name == program)?;
    Some(if kernel_at_least(6, 4) { *new } else { *old })
}
