//! `bench`: the benchmarks, which are a program of their own; this builds and calls it.

use anyhow::{Result, ensure};

use crate::{build, cargo, interrupt};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Passed on; `--help` says what there is
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(
        tidegate_rig::is_root(),
        "loading programs needs root: run ./x bench as root"
    );
    interrupt::clean_up_when_interrupted()?;
    let _binary = build::run()?;
    let mut args = vec![
        "run",
        "--release",
        "--quiet",
        "--package",
        "tidegate-bench",
        "--",
    ];
    args.extend(options.rest.iter().map(String::as_str));
    cargo::run(&args)
}
