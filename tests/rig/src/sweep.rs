//! Removes what interrupted runs left behind, and nothing that a living process made.
//!
//! A namespace goes with its processes and devices; a directory of pins goes with the programs
//! that only the pins kept attached, those on cgroups too.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{self, Command};
use std::sync::Once;

use crate::bpffs::{BPFFS, PINS_PREFIX};
use crate::netns::{NAMED, Netns};
use crate::owner;
use crate::scene::{TEMP, TEMP_PREFIX};
use crate::shell::output_of;

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub processes: usize,
    pub namespaces: usize,
    pub links: usize,
    pub pins: usize,
    pub directories: usize,
}

impl Swept {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processes,
            namespaces,
            links,
            pins,
            directories,
        } = self;
        write!(
            f,
            "{namespaces} namespaces, {processes} processes, {links} links, \
             {pins} pin directories, {directories} temporary directories"
        )
    }
}

/// Removes what dead processes made.
pub fn sweep() -> Swept {
    let swept = remove(|pid| !owner::is_alive(pid));
    owner::noted()
        .into_iter()
        .filter(|&pid| !owner::is_alive(pid))
        .for_each(owner::forget);
    swept
}

/// Removes what this process made: for a signal's way out, where nothing is dropped.
pub fn sweep_own() -> Swept {
    let swept = remove(|pid| pid == process::id());
    owner::forget(process::id());
    swept
}

/// Calls [`sweep_own`] when the process ends: for scenes that several tests share, which no test
/// may drop.
pub fn sweep_own_at_exit() {
    extern "C" fn sweep_now() {
        sweep_own();
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function lives as long as the program, and needs nothing that `main` owns.
        // When it cannot be noted, the next run sweeps.
        let _noted = unsafe { libc::atexit(sweep_now) };
    });
}

fn remove(is_due: impl Fn(u32) -> bool) -> Swept {
    let mut swept = Swept::default();
    // Processes first: a living agent would pin again what is unpinned under it.
    for name in names(NAMED, "tg-", &is_due) {
        let Ok(ns) = Netns::open(&name) else {
            // A run that was stopped between making the name and binding it.
            swept.namespaces += usize::from(fs::remove_file(Path::new(NAMED).join(name)).is_ok());
            continue;
        };
        swept.processes += ns.kill_processes();
        swept.namespaces += usize::from(ns.delete().is_ok());
    }
    for name in names("/sys/class/net", "tg-", &is_due) {
        let deleted = output_of(Command::new("ip").args(["link", "del", &name]));
        swept.links += usize::from(deleted.is_ok());
    }
    swept.pins = remove_dirs(BPFFS, PINS_PREFIX, &is_due);
    swept.directories = remove_dirs(TEMP, TEMP_PREFIX, &is_due);
    swept
}

fn remove_dirs(parent: &str, prefix: &str, is_due: impl Fn(u32) -> bool) -> usize {
    let due = names(parent, prefix, is_due);
    due.iter()
        .filter(|name| fs::remove_dir_all(Path::new(parent).join(name)).is_ok())
        .count()
}

fn names(parent: &str, prefix: &str, is_due: impl Fn(u32) -> bool) -> Vec<String> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| owner::owner_of(name, prefix).is_some_and(&is_due))
        .collect()
}
