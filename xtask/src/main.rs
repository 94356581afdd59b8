//! Everything that `./x` does: one file a command.

mod cargo;
mod setup;
mod build;
mod programs;
mod test;
mod fuzz;
mod verify;
mod vm;
mod bench;
mod demo;
mod lint;
mod dist;
mod interrupt;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds, tests and shows tidegate. `./x` has made sure of the tools before it gets here.
#[derive(Parser)]
#[command(name = "x", bin_name = "./x", disable_help_subcommand = false)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing (./x has done that already) and say what is there
    Setup,
    /// Build target/release/tidegate
    Build,
    /// Run the tests; needs root, except for the first two floors
    Test(test::Options),
    /// Look for inputs that break the data path's promises
    Fuzz(fuzz::Options),
    /// Load every program into this kernel and print what its verifier says of it
    Verify(verify::Options),
    /// Boot other kernels in virtual machines, run the tests of the kernel side in each, and print a table
    Vm(vm::Options),
    /// Measure what a packet and a connection cost, with tidegate and without; needs root
    Bench(bench::Options),
    /// Show a client reach pods through a Service, on two machines made of namespaces; needs root
    Demo,
    /// Check formatting and clippy's lints
    Lint,
    /// Make what is given to people in target/dist: static binary, .deb, container image, checksums
    Dist,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = run(&args.command);
    interrupt::stay_if_stopping();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("x: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Setup => setup::run(),
        Command::Build => build::run().map(|_binary| ()),
        Command::Test(options) => test::run(options),
        Command::Fuzz(options) => fuzz::run(options),
        Command::Verify(options) => verify::run(options),
        Command::Vm(options) => vm::run(options),
        Command::Bench(options) => bench::run(options),
        Command::Demo => demo::run(),
        Command::Lint => lint::run(),
        Command::Dist => dist::run(),
    }
}
