//! The names of all tests, without running one.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum as _;

use super::floor::Floor;
use super::outcome::Tests;
use crate::cargo;

pub(super) fn tests() -> Result<Tests> {
    let mut tests = Tests::default();
    let calls = Floor::value_variants().iter();
    for args in calls.flat_map(|floor| floor.cargo_arguments()) {
        let mut command = cargo::command(["test", "--quiet"]);
        let output = command
            .args(*args)
            .args(["--", "--list"])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo")?;
        ensure!(
            output.status.success(),
            "`cargo test {} -- --list` failed",
            args.join(" ")
        );
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().for_each(|line| tests.take_line(line));
    }
    Ok(tests)
}
