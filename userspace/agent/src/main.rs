//! `tidegate`: the agent that keeps the data path in step with Services and endpoints, and its command line.
//!
//! The way of news: `sources` and `netlink` tell `reconcile`, which alone writes maps. The way of a
//! question: `cli` and `show` ask `client`, which asks `api`, which asks `reconcile`.

mod api;
mod asking;
mod census;
mod cidr;
mod cli;
mod commands;
mod config;
mod devices;
mod events;
mod failure;
mod glob;
mod health;
mod hidden;
mod kernel;
mod logging;
mod memory;
mod metrics;
mod names;
mod netlink;
mod notify;
mod objects;
mod others;
mod preflight;
mod reconcile;
mod show;
mod service_ranges;
mod sockets;
mod sources;
mod start;
mod state;
mod sweep;
mod top;
mod watching;

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use clap::Parser;

use crate::{
    cli::{Cli, Command},
    config::Config,
    failure::Failure,
};

/// glibc's own walks through all small pieces that are free whenever a large one is freed: with some hundred thousand
/// objects one change in a hundred took 10 ms for that. musl's is slow throughout.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A runtime calls the plugin by a link to this program.
    let result = if commands::cni::is_meant() {
        commands::cni::run(commands::cni::args())
    } else {
        let cli = Cli::parse();
        show::set_colour(cli.color);
        command(cli.command)
    };
    match result {
        Ok(()) | Err(Failure::Unheard) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tidegate: {failure}");
            failure.code()
        }
    }
}

fn command(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run(options) => {
            memory::small_pages_only();
            let config = Config::load(*options)?;
            logging::start(config.log_format)?;
            Ok(runtime()?.block_on(start::start(config))?)
        }
        Command::Get(args) => commands::get::run(args),
        Command::Status(args) => commands::status::run(args),
        Command::Apply(args) => commands::apply::run(args),
        Command::Delete(args) => commands::delete::run(args),
        Command::Describe(args) => commands::describe::run(args),
        Command::Explain(args) => commands::explain::run(args),
        Command::Monitor(args) => commands::monitor::run(args),
        Command::Top(args) => commands::top::run(args),
        Command::Check(args) => commands::check::run(*args),
        Command::Flows(args) => commands::flows::run(args),
        Command::Cni(args) => commands::cni::run(args),
        Command::Completion(args) => commands::completion::run(args),
        Command::Detach { bpffs } => detach(&bpffs),
    }
}

/// For all but the loop that writes maps, which has the thread of `main`. Two, so that a long answer of the API holds up no
/// watch.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_park(memory::heard)
        .enable_all()
        .build();
    Ok(runtime.context("cannot start threads")?)
}

fn detach(bpffs: &Path) -> Result<(), Failure> {
    // An agent that runs on without its programs would help nobody.
    let _held = if bpffs.exists() {
        Some(tidegate_loader::lock(bpffs).map_err(anyhow::Error::from)?)
    } else {
        None
    };
    let removed = tidegate_loader::detach_all(bpffs).map_err(anyhow::Error::from)?;
    match removed.as_slice() {
        [] => show::print(&format!(
            "nothing of tidegate is pinned at {}\n",
            bpffs.display()
        )),
        lines => show::print(&format!("{}\n", lines.join("\n"))),
    }
}
