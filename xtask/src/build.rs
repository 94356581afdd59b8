//! `build`: the release binary, with the eBPF programs in it.

use std::path::PathBuf;

use anyhow::Result;

use crate::cargo;

/// Builds the release binary and tells where it is.
pub(crate) fn run() -> Result<PathBuf> {
    cargo::run(&["build", "--release", "--package", "tidegate"])?;
    Ok(cargo::target_dir().join("release/tidegate"))
}
