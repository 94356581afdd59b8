//! `lint`: formatting, and clippy with every warning an error.

use anyhow::Result;

use crate::cargo;

pub(crate) fn run() -> Result<()> {
    // All members, the eBPF crate too; clippy leaves that one out, for it has another target.
    cargo::run(&["fmt", "--all", "--check"])?;
    cargo::run(&["clippy", "--all-targets", "--", "--deny", "warnings"])
}
