//! `verify`: every program through this kernel's verifier. The work is done by a program of the
//! kernel tests; this builds and calls it.

use anyhow::{Result, ensure};

use crate::cargo;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Passed on
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(
        tidegate_rig::is_root(),
        "loading programs needs root: run ./x verify as root"
    );
    let mut args = vec![
        "run",
        "--quiet",
        "--package",
        "tidegate-kernel-tests",
        "--bin",
        "verify",
    ];
    args.push("--");
    args.extend(options.rest.iter().map(String::as_str));
    cargo::run(&args)
}
