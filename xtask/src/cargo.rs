//! Calling cargo from the root of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// `cargo <args>`, in the workspace, not yet run.
pub(crate) fn command<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(workspace()).args(args);
    command
}

/// Runs `cargo <args>`; its outputs are ours.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let status = command(args.iter().copied())
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "`cargo {}` failed", args.join(" "));
    Ok(())
}

pub(crate) fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

pub(crate) fn target_dir() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    given.unwrap_or_else(|| workspace().join("target"))
}
