//! Who made a thing: names that carry a process id, and whether that process still lives.
//!
//! Process ids are used again. Each process that makes something therefore notes its own start
//! time once; a process id with another start time is somebody else, and the maker is dead.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

const NOTES: &str = "/run/tidegate-rig";

/// A number that no other scene or pin of this process has.
pub(crate) fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// `tg-<pid>-<number>-<label>`: the name of a namespace.
pub(crate) fn netns_name(number: u32, label: &str) -> String {
    format!("tg-{}-{number}-{label}", process::id())
}

/// The process that made a thing of this name, if the name is one of ours.
pub(crate) fn owner_of(name: &str, prefix: &str) -> Option<u32> {
    let (pid, _) = name.strip_prefix(prefix)?.split_once('-')?;
    pid.parse().ok()
}

/// Notes this process's start time, once; makers call it before they make anything.
pub(crate) fn note_self() -> Result<()> {
    static NOTED: OnceLock<()> = OnceLock::new();
    if NOTED.get().is_none() {
        let pid = process::id();
        let start = start_time(pid).context("/proc/self/stat has no start time")?;
        fs::create_dir_all(NOTES).with_context(|| format!("cannot make {NOTES}"))?;
        fs::write(note(pid), start.to_string()).with_context(|| format!("write to {NOTES}"))?;
        NOTED.get_or_init(|| ());
    }
    Ok(())
}

/// Whether the process that made things under this id still runs.
pub(crate) fn is_alive(pid: u32) -> bool {
    let Some(start) = start_time(pid) else {
        return false;
    };
    match fs::read_to_string(note(pid)) {
        Ok(noted) => noted.trim() == start.to_string(),
        // Without a note there is no telling; a living process gets the benefit of the doubt.
        Err(_) => true,
    }
}

/// Ids of all processes that left a note.
pub(crate) fn noted() -> Vec<u32> {
    let entries = fs::read_dir(NOTES).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

pub(crate) fn forget(pid: u32) {
    // A note that is gone already is as good as one removed now.
    drop(fs::remove_file(note(pid)));
}

/// Whether this process may make namespaces.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn note(pid: u32) -> PathBuf {
    PathBuf::from(NOTES).join(pid.to_string())
}

/// Clock ticks since boot at which the process started; `None` when there is no such process.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may hold spaces and brackets; fields are counted after its last bracket.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    // Field 22 of the line; the state, just taken, was field 3.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_process_that_made_it() {
        let name = netns_name(7, "nodea");
        assert_eq!(owner_of(&name, "tg-"), Some(process::id()));
        assert_eq!(owner_of("tidegate-test-42-1", "tidegate-test-"), Some(42));
    }

    #[test]
    fn names_of_others_have_no_owner() {
        for name in ["tg-", "tg-x-1-a", "tg-12", "blue", "cni-12-1", "tg--1-2"] {
            assert_eq!(owner_of(name, "tg-"), None, "{name}");
        }
    }

    #[test]
    fn this_process_is_alive_and_an_impossible_one_is_not() {
        assert!(is_alive(process::id()));
        assert!(!is_alive(u32::MAX));
    }

    #[test]
    fn a_process_that_ended_but_was_not_waited_for_is_dead() {
        let mut child = process::Command::new("true").spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while is_alive(child.id()) && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(!is_alive(child.id()));
        child.wait().unwrap();
    }
}
