//! What is shipped beside the binary agrees with the binary: unit file, configuration, Kubernetes manifests.
//!
//! The binary judges flags and values itself. Each run of it here ends before it touches the kernel.

mod kubernetes;
mod settings;
mod unit;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Ends each run of the agent after everything else that was said was understood.
const CLASH: [&str; 2] = ["--masquerade-ports", "30000-30100"];
const CLASHES: &str = "overlaps --nodeport-range";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of this repository.
fn text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn tidegate(args: &[&str], environment: &BTreeMap<String, String>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    for (name, _) in std::env::vars() {
        if name.starts_with("TIDEGATE_") {
            command.env_remove(name);
        }
    }
    let output = command.args(args).envs(environment).output();
    output.expect("cargo has built the binary")
}

/// The agent understands all of this: it complains about nothing but the clash.
fn understood(args: &[&str], environment: &BTreeMap<String, String>) {
    let args = [args, &CLASH].concat();
    let output = tidegate(&args, environment);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && complaint.contains(CLASHES),
        "{args:?} {environment:?}: {complaint}"
    );
}

/// The flags of `tidegate run` with the defaults that its help tells.
fn flags() -> BTreeMap<String, Option<String>> {
    let output = tidegate(&["run", "--help"], &BTreeMap::new());
    let help = String::from_utf8(output.stdout).expect("help in UTF-8");
    let mut flags = BTreeMap::new();
    let mut last = None;
    for line in help.lines() {
        let is_first = line.trim_start().starts_with('-');
        if let Some((_, flag)) = line.split_once("--").filter(|_| is_first) {
            let end = flag.find(|letter: char| letter != '-' && !letter.is_alphanumeric());
            last = Some(flag[..end.unwrap_or(flag.len())].to_owned());
        }
        let default = line
            .split_once("[default: ")
            .and_then(|(_, rest)| rest.split_once(']'));
        if let Some(flag) = &last {
            let known: &mut Option<String> = flags.entry(flag.clone()).or_default();
            if let Some((default, _)) = default {
                *known = Some(default.to_owned());
            }
        }
    }
    flags.remove("help");
    flags
}
