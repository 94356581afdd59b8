//! `lint`: formatting, and clippy with every warning an error.

use anyhow::Result;

use crate::cargo;

pub(crate) fn run() -> Result<()> {
    // All members, the eBPF crate too; clippy leaves that one out, for it has another target.
    cargo::run(&["fmt", "--all", "--check"])?;
    cargo::run(&["clippy", "--all-targets", "--", "--deny", "warnings"])?;
    // What measures is no part of the tests, and not built by default.
    let packages = [
        "--package",
        "tidegate-bench",
        "--package",
        "tidegate-bench-control",
    ];
    let mut benches = vec!["clippy"];
    benches.extend(packages);
    benches.extend(["--all-targets", "--", "--deny", "warnings"]);
    cargo::run(&benches)
}
