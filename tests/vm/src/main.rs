//! Process 1 of the virtual machine in which `./x vm` tries another kernel.
//!
//! It mounts what a machine has, puts the modules in, runs the jobs of the file `/jobs` one after the other,
//! and switches the machine off. What jobs print goes to the second serial line, with a line of its own before
//! and after each; the first one is the kernel's. A machine that goes off without [`jobs::DONE`] has crashed.

mod jobs;
mod machine;

use nix::sys::reboot::{RebootMode, reboot};

fn main() {
    let result = machine::prepare().and_then(|()| {
        let mut out = machine::second_line()?;
        jobs::run_all(&mut out)
    });
    if let Err(error) = result {
        // The first line: the second may be what is broken.
        eprintln!("vm-init: {error:#}");
    }
    nix::unistd::sync();
    // Returns only when it fails, and then the kernel panics, since process 1 ends.
    let refused = reboot(RebootMode::RB_POWER_OFF);
    eprintln!("vm-init: cannot switch off: {refused:?}");
}
