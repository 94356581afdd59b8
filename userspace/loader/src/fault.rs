//! Dies on demand, after any one of the steps that change the kernel: so that tests can show what a crash
//! leaves behind (decision 23).
//!
//! Unarmed, a point is a load and a comparison, beside a system call.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Not armed.
const NEVER: u64 = u64::MAX;

/// Steps that may still be taken.
static LEFT: AtomicU64 = AtomicU64::new(NEVER);

/// From now on this process takes so many steps, and kills itself after the last of them. For tests.
pub fn die_after(steps: u64) {
    LEFT.store(steps, Relaxed);
}

/// Whether this process is to die: then each write is a step of its own.
#[inline]
pub(crate) fn is_armed() -> bool {
    LEFT.load(Relaxed) != NEVER
}

/// A step has been taken.
#[inline]
pub(crate) fn point() {
    if is_armed() {
        count();
    }
}

#[cold]
fn count() {
    if LEFT.fetch_sub(1, Relaxed) <= 1 {
        // As an operator, or the kernel when memory is short, would do it: nothing is cleaned up.
        let _dies =
            nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
        std::process::abort();
    }
}
