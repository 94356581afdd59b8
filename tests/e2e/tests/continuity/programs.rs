//! Which programs serve, asked of the kernel.

use std::{fs, os::fd::AsRawFd as _, path::Path};

use anyhow::{Context as _, Result};
use tidegate_rig::bpf;

/// Name of each pinned link of a version, and the id of the program on it, sorted.
pub(crate) fn programs(pins: &Path, version: u32) -> Result<Vec<(String, u32)>> {
    let directory = pins.join(format!("v{version}/links"));
    let entries = fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        found.push((name.into_owned(), program(&path)?));
    }
    found.sort();
    Ok(found)
}

fn program(pin: &Path) -> Result<u32> {
    let link = bpf::pinned(pin)?;
    let told = fs::read_to_string(format!("/proc/self/fdinfo/{}", link.as_raw_fd()))?;
    let id = told.lines().find_map(|line| line.strip_prefix("prog_id:"));
    Ok(id.context("not a link")?.trim().parse()?)
}
