//! What is built for the virtual machines: the tests that every kernel is given, the binary, the first process.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::floors::{E2E, Floor};
use crate::{build, cargo};

const KERNEL_TESTS: &str = "tidegate-kernel-tests";
const JOURNEYS: &str = "tidegate-journeys";
const END_TO_END: &str = "tidegate-e2e";
const INIT: &str = "tidegate-vm-init";

/// A program that goes into the machine.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

#[derive(Debug)]
pub(super) struct Built {
    pub(super) init: PathBuf,
    programs: Vec<Program>,
}

impl Program {
    /// Its path in the machine, without the leading slash.
    pub(super) fn inside(&self) -> String {
        format!("usr/bin/{}", self.name)
    }
}

impl Built {
    pub(super) fn programs(&self) -> &[Program] {
        &self.programs
    }
}

/// What these floors need.
pub(super) fn for_floors(floors: &[Floor]) -> Result<Built> {
    let mut programs = Vec::new();
    if floors
        .iter()
        .any(|floor| matches!(floor, Floor::Load | Floor::Kernel))
    {
        programs.extend(tests(KERNEL_TESTS, &[])?);
    }
    if floors.contains(&Floor::Journeys) {
        programs.extend(tests(JOURNEYS, &["--test=*"])?);
    }
    if floors.contains(&Floor::E2e) {
        // As for the e2e floor: another binary may be given.
        let given = std::env::var_os("TIDEGATE_BIN").map(PathBuf::from);
        programs.push(Program {
            name: "tidegate".to_owned(),
            path: given.map_or_else(build::run, Ok)?,
        });
        let chosen: Vec<_> = E2E.iter().map(|name| format!("--test={name}")).collect();
        let chosen: Vec<_> = chosen.iter().map(String::as_str).collect();
        programs.extend(tests(END_TO_END, &chosen)?);
    }
    Ok(Built {
        init: init()?,
        programs,
    })
}

/// The programs of a package's tests, and those that these call.
fn tests(package: &str, more: &[&str]) -> Result<Vec<Program>> {
    let mut args = vec!["test", "--no-run", "--package", package];
    args.extend(more);
    let programs = executables(&args)?;
    ensure!(!programs.is_empty(), "no tests in {package}");
    Ok(programs)
}

/// Static, so that it can speak even where a library is missing.
fn init() -> Result<PathBuf> {
    let args = ["rustc", "--release", "--package", INIT, "--bin", INIT];
    let flags = ["--", "-C", "target-feature=+crt-static"];
    let built = executables_with(&args, &flags)?;
    built
        .into_iter()
        .next()
        .map(|it| it.path)
        .context("no first process was built")
}

fn executables(args: &[&str]) -> Result<Vec<Program>> {
    executables_with(args, &[])
}

/// What cargo says it has built.
fn executables_with(args: &[&str], flags: &[&str]) -> Result<Vec<Program>> {
    let mut command = cargo::command(args.iter().copied());
    let output = command
        .arg("--message-format=json-render-diagnostics")
        .args(flags)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "`cargo {}` failed", args.join(" "));
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(executable).collect())
}

/// The program that one of cargo's messages is about. Unit tests of libraries are no business of a kernel.
fn executable(line: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(line).ok()?;
    let path = message["executable"].as_str()?;
    let target = &message["target"];
    let is_program = ["bin", "test"]
        .iter()
        .any(|kind| target["kind"][0] == *kind);
    let is_unit_test = target["kind"][0] == "bin" && message["profile"]["test"] == true;
    (is_program && !is_unit_test).then(|| Program {
        name: target["name"].as_str().unwrap_or_default().to_owned(),
        path: path.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &str, test: bool) -> String {
        serde_json::json!({
            "reason": "compiler-artifact",
            "target": { "kind": [kind], "name": "it" },
            "profile": { "test": test },
            "executable": "/target/it-1234",
        })
        .to_string()
    }

    #[test]
    fn test_programs_and_what_they_call_are_taken() {
        let taken = |line: &str| executable(line).map(|program| program.inside());
        assert_eq!(taken(&message("test", true)).as_deref(), Some("usr/bin/it"));
        assert_eq!(taken(&message("bin", false)).as_deref(), Some("usr/bin/it"));
        assert_eq!(taken(&message("bin", true)), None);
        assert_eq!(taken(&message("lib", true)), None);
        assert_eq!(taken(r#"{"reason":"build-finished"}"#), None);
        assert_eq!(taken("not JSON"), None);
    }
}
