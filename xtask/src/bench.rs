//! `bench`: the benchmarks, which are programs of their own; this builds and calls them.

use anyhow::{Result, ensure};

use crate::{build, cargo, interrupt};

const PACKETS: &str = "tidegate-bench";
const CONTROL: &str = "tidegate-bench-control";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// `control` is the control path, else it is packets and connections; without a word both. The rest is passed on:
    /// `--help` says what there is
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
    match options.rest.split_first() {
        None => {
            call(PACKETS, &[])?;
            call(CONTROL, &[])
        }
        Some((first, rest)) if first == "control" => call(CONTROL, rest),
        Some(_) => call(PACKETS, &options.rest),
    }
}

fn call(package: &str, rest: &[String]) -> Result<()> {
    let mut args = vec!["run", "--release", "--quiet", "--package", package, "--"];
    args.extend(rest.iter().map(String::as_str));
    cargo::run(&args)
}
