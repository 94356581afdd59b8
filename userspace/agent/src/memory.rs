//! Memory that is not needed goes back to the system.
//!
//! The allocator keeps for each thread what the thread has freed. Of a first sync that is a third of all there is, and
//! would stay with us for as long as the agent runs.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU32, Ordering},
};

/// No pages of 2 MiB for this process, in whatever mode the node is: of each that the allocator gives a piece of, the rest
/// would be resident, too. docs/performance-control.md has what that was.
pub(crate) fn small_pages_only() {
    // Refused by nobody since Linux 3.15; then the agent is larger, no more.
    let _larger: nix::Result<()> = nix::sys::prctl::set_thp_disable(true);
}

/// So many changes of objects are many.
pub(crate) const MANY: u64 = 1000;

/// How often memory was to be given back so far.
static TIMES: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The last of these times that this thread has heard of.
    static HEARD: Cell<u32> = const { Cell::new(0) };
}

/// This thread gives back now, those of the runtime when they have nothing else to do.
pub(crate) fn give_back() {
    TIMES.fetch_add(1, Ordering::Relaxed);
    heard();
}

/// A thread has nothing to do, or asks.
pub(crate) fn heard() {
    let times = TIMES.load(Ordering::Relaxed);
    if HEARD.replace(times) != times {
        // SAFETY: a call without conditions; it walks the heap of this thread.
        unsafe { libmimalloc_sys::mi_collect(true) };
    }
}
