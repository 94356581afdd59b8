//! What this kernel can do, found out by trying rather than by its version.
//!
//! Everything is tried by a thread that has left the host's network and mounts behind for new ones of its
//! own: no device, map or pin of the host is touched, and the kernel takes everything away when the thread
//! ends, also after a crash.

pub(crate) mod raw;

use std::{path::Path, thread};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use crate::{Attach, DataPath, Options, Role};

/// Something that the data path uses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Feature {
    /// The system call bpf(2), and a simple map.
    Bpf,
    /// Types of programs and maps, for tools that look at them.
    Btf,
    /// Ring buffers, for events.
    RingBuffer,
    /// Tries, for source ranges.
    Trie,
    /// Maps that forget their oldest entry.
    Lru,
    /// Looking up routes.
    FibLookup,
    /// Asking whether a process of this host listens.
    SocketLookup,
    /// Delivery into a pod's namespace.
    RedirectPeer,
    /// Sending to a neighbour whose address the kernel finds.
    RedirectNeighbour,
    /// Telling processes of this host from those of its pods.
    NetnsCookie,
    /// Telling a process "connection refused".
    SetRetval,
    /// tc programs by link.
    Tcx,
    /// XDP programs by link.
    XdpLink,
    /// tidegate's own programs, one and all.
    Programs,
    /// tidegate's own programs at a device.
    Attach,
}

/// What trying has shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// It works; more in words, if there is more to say.
    Works(String),
    /// It does not, and this is what the kernel says.
    Fails(String),
    /// It could not be tried, for this reason.
    Untried(String),
}

/// Every feature, each with what was found.
pub fn probe() -> Vec<(Feature, Found)> {
    let sandboxed = thread::Builder::new()
        .name("probe".to_owned())
        .spawn(in_sandbox);
    let joined = sandboxed.map(thread::JoinHandle::join);
    joined.ok().and_then(Result::ok).unwrap_or_default()
}

fn in_sandbox() -> Vec<(Feature, Found)> {
    let sandbox = enter();
    let mut all = raw::features();
    all.push((Feature::Btf, btf()));
    let untried = |reason: &str| Found::Untried(reason.to_owned());
    match &sandbox {
        // On the host's own devices nothing is tried.
        Err(reason) => {
            let own = [
                Feature::Tcx,
                Feature::XdpLink,
                Feature::Programs,
                Feature::Attach,
            ];
            all.extend(own.map(|feature| (feature, untried(reason))));
        }
        Ok(()) => {
            all.extend(raw::links());
            all.extend(own_programs());
        }
    }
    all
}

/// A network and mounts of its own for this thread, with a bpffs.
fn enter() -> Result<(), String> {
    let said = |what: &str, errno: nix::errno::Errno| format!("{what}: {errno}");
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).map_err(|errno| {
        said(
            "cannot make a network namespace to try it in (needs CAP_SYS_ADMIN)",
            errno,
        )
    })?;
    let none = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none)
        .map_err(|errno| said("cannot make mounts private", errno))?;
    mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), none)
        .map_err(|errno| said("cannot mount a bpffs to try it in", errno))
}

/// Maps are as small as they may be: what is tried is the programs.
const SMALL: u32 = 1024;

/// Mounted over what is there, for this thread only.
const BPFFS: &str = "/sys/fs/bpf";

fn btf() -> Found {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    if Path::new(PATH).exists() {
        Found::Works(String::new())
    } else {
        Found::Fails(format!("there is no {PATH}"))
    }
}

/// Loads the real programs, and puts them on the loopback of the sandbox.
fn own_programs() -> [(Feature, Found); 2] {
    let options = Options {
        bpffs: BPFFS.into(),
        flows: SMALL,
        traffic: SMALL,
        tcx: true,
    };
    let mut data_path = match DataPath::load(&options) {
        Ok(data_path) => data_path,
        Err(error) => {
            return [
                (Feature::Programs, Found::Fails(error.to_string())),
                (Feature::Attach, Found::Untried("nothing is loaded".into())),
            ];
        }
    };
    let counts = data_path.verified_instructions().unwrap_or_default();
    let instructions: u32 = counts.iter().map(|(_, count)| count).sum();
    let words = format!(
        "{} programs, {instructions} instructions verified",
        counts.len()
    );
    let attached = match data_path.attach_device("lo", Role::Pod, Attach::Auto) {
        Ok(attached) => Found::Works(attached.hooks),
        Err(error) => Found::Fails(error.to_string()),
    };
    [
        (Feature::Programs, Found::Works(words)),
        (Feature::Attach, attached),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_answered_once_and_the_host_keeps_its_mounts() {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let found = probe();
        let mut names: Vec<String> = found.iter().map(|(it, _)| format!("{it:?}")).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!((names.len(), all), (15, 15), "{found:?}");
        let after = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert_eq!(mounts, after);
    }
}
