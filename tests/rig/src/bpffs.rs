//! The BPF file system and directories of pins in it that go away with their owner.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, Result};
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use crate::owner;

pub(crate) const BPFFS: &str = "/sys/fs/bpf";
pub(crate) const PINS_PREFIX: &str = "tidegate-test-";

/// Makes sure that a BPF file system is mounted at its usual place. It stays mounted.
pub fn ensure_bpffs() -> Result<()> {
    let mounted = statfs(BPFFS).is_ok_and(|fs| fs.filesystem_type() == BPF_FS_MAGIC);
    if mounted {
        return Ok(());
    }
    mount(
        Some("bpf"),
        BPFFS,
        Some("bpf"),
        MsFlags::empty(),
        None::<&str>,
    )
    .with_context(|| format!("cannot mount a BPF file system at {BPFFS}: run as root"))
}

/// A directory of pins with a name of its own. Dropping it unpins, and so detaches, all in it.
#[derive(Debug)]
pub struct Pins(PathBuf);

impl Pins {
    pub fn new() -> Result<Self> {
        ensure_bpffs()?;
        owner::note_self()?;
        let name = format!("{PINS_PREFIX}{}-{}", process::id(), owner::next_number());
        let path = Path::new(BPFFS).join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Deref for Pins {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            eprintln!("rig: cannot remove {}: {error}", self.0.display());
        }
    }
}
