//! Ctrl-C and SIGTERM: end what was started, remove what was made, and only then go.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{self, Child, Command};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::Pid;

/// The process group of the child that runs now; 0 for none.
static CHILD: AtomicI32 = AtomicI32::new(0);

/// Set when a signal has come: from then on the cleaning thread alone decides when we go.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// From here on a signal ends the child's process group and sweeps, instead of just ending us.
pub(crate) fn clean_up_when_interrupted() -> Result<()> {
    static WAITS: AtomicBool = AtomicBool::new(false);
    if WAITS.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let signals = signals();
    // Threads that are started later inherit the mask, so the signal reaches only the waiting one.
    signals.thread_block().context("block signals")?;
    thread::spawn(move || {
        let Ok(signal) = signals.wait() else {
            return;
        };
        STOPPING.store(true, Ordering::SeqCst);
        let child = CHILD.load(Ordering::SeqCst);
        if child != 0 {
            // Fails only when it has ended by itself.
            killpg(Pid::from_raw(child), Signal::SIGKILL).unwrap_or_default();
        }
        // The child's processes are dying; until they are dead they count as living owners.
        thread::sleep(std::time::Duration::from_millis(200));
        tidegate_rig::sweep();
        tidegate_rig::sweep_own();
        eprintln!("x: stopped by {signal}; namespaces and programs are removed");
        process::exit(128 + signal as i32);
    });
    Ok(())
}

/// Starts the child that a signal is to end, with all that it starts; [`child_is_gone`] when it has ended.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    // SAFETY: between fork and exec this makes one system call and allocates nothing.
    unsafe { command.pre_exec(let_signals_through) };
    let child = command.process_group(0).spawn()?;
    CHILD.store(child.id().cast_signed(), Ordering::SeqCst);
    Ok(child)
}

pub(crate) fn child_is_gone() {
    CHILD.store(0, Ordering::SeqCst);
    stay_if_stopping();
}

/// Does not return once a signal has come: what fails now fails because of it.
pub(crate) fn stay_if_stopping() {
    while STOPPING.load(Ordering::SeqCst) {
        thread::park();
    }
}

/// Undoes the blocking, for a child between fork and exec.
fn let_signals_through() -> io::Result<()> {
    Ok(signals().thread_unblock()?)
}

fn signals() -> SigSet {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals
}
