//! A scene: namespaces and a directory that live and go together.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::netns::Netns;
use crate::owner;

/// Short on purpose: a Unix socket's path may have 107 bytes.
pub(crate) const TEMP: &str = "/tmp";
pub(crate) const TEMP_PREFIX: &str = "tidegate-rig-";

/// Owns what a test or demo makes; dropping it ends the processes inside and deletes all.
#[derive(Debug)]
pub struct Scene {
    number: u32,
    dir: PathBuf,
    namespaces: Vec<Netns>,
}

impl Scene {
    pub fn new() -> Result<Self> {
        ensure!(
            owner::is_root(),
            "network namespaces need root: run it again as root"
        );
        owner::note_self()?;
        raise_file_limit()?;
        let number = owner::next_number();
        let dir = Path::new(TEMP).join(format!("{TEMP_PREFIX}{}-{number}", process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self {
            number,
            dir,
            namespaces: Vec::new(),
        })
    }

    /// A new namespace with `lo` up.
    pub fn netns(&mut self, label: &str) -> Result<Netns> {
        let ns = Netns::create(&owner::netns_name(self.number, label))?;
        self.namespaces.push(ns.clone());
        Ok(ns)
    }

    /// A directory of this scene, made when it is not there.
    pub fn dir(&self, label: &str) -> Result<PathBuf> {
        let dir = self.dir.join(label);
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(dir)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for ns in self.namespaces.drain(..) {
            if let Err(error) = ns.delete() {
                eprintln!("rig: {error:#}");
            }
        }
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("rig: cannot remove {}: {error}", self.dir.display());
        }
    }
}

/// Thousands of connections have both ends in one process; the usual soft limit is 1024 files.
fn raise_file_limit() -> Result<()> {
    let (_soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("read the file limit")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("raise the file limit")
}
