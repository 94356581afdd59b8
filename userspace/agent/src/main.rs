//! `tidegate`: the agent that keeps the data path in step with Services and endpoints, and its command line.
//!
//! The way of news: `sources` and `netlink` tell `reconcile`, which alone writes maps. The way of a
//! question: `cli` and `show` ask `client`, which asks `api`, which asks `reconcile`.

mod api;
mod cidr;
mod cli;
mod client;
mod config;
mod devices;
mod failure;
mod glob;
mod health;
mod kernel;
mod logging;
mod netlink;
mod notify;
mod preflight;
mod reconcile;
mod show;
mod sockets;
mod sources;
mod start;
mod state;
mod sweep;
mod view;

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use clap::Parser;

use crate::{
    cli::{Cli, Command},
    config::Config,
    failure::Failure,
};

fn main() -> ExitCode {
    match command(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tidegate: {failure}");
            failure.code()
        }
    }
}

fn command(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run(options) => {
            let config = Config::load(*options)?;
            logging::start(config.log_format)?;
            Ok(runtime()?.block_on(start::start(config))?)
        }
        Command::Get {
            what,
            namespace,
            output,
            limit,
            agent,
        } => {
            let request = show::Request {
                what,
                namespace,
                output,
                limit,
            };
            runtime()?.block_on(show::get(&agent.api, &request))
        }
        Command::Status { output, agent } => runtime()?.block_on(show::status(&agent.api, output)),
        Command::Detach { bpffs } => detach(&bpffs),
    }
}

/// One worker for the maps and one for the rest.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
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
