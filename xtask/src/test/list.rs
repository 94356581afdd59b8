//! The names of all tests, without running one.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::outcome::Tests;
use crate::programs;

pub(super) fn tests() -> Result<Tests> {
    let mut tests = Tests::default();
    // Each is on a floor, which a test of the floors shows.
    let programs = programs::build(|_| true)?;
    for program in programs.iter().filter(|program| program.is_test) {
        let output = Command::new(&program.path)
            .arg("--list")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| program.path.display().to_string())?;
        ensure!(
            output.status.success(),
            "`{} --list` failed",
            program.path.display()
        );
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().for_each(|line| tests.take_line(line));
    }
    Ok(tests)
}
