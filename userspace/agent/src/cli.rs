//! The command line. Names of commands and flags are the contract with users and scripts.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::{API, BPFFS, Options};

/// A Kubernetes Service load balancer whose data path is eBPF.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 bad usage, 3 no agent at the socket."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent in the foreground; prints `ready` when the maps match the sources
    Run(Box<Options>),
    /// Show what the agent and the kernel hold
    Get {
        what: What,
        /// Only this namespace
        #[arg(short, long, value_name = "NS")]
        namespace: Option<String>,
        #[arg(short, long, value_name = "FORMAT", default_value = "table")]
        output: Output,
        /// The most flows to show
        #[arg(long, value_name = "N", default_value_t = crate::api::FLOWS_LIMIT)]
        limit: usize,
        #[command(flatten)]
        agent: Agent,
    },
    /// Show devices, hooks and why, last sync, map use, drops by reason, and problems
    Status {
        #[arg(short, long, value_name = "FORMAT", default_value = "table")]
        output: Output,
        #[command(flatten)]
        agent: Agent,
    },
    /// Remove every program, link and map that tidegate put in the kernel
    Detach {
        /// Directory of the pins, as given to `run`
        #[arg(long, env = "TIDEGATE_BPFFS", value_name = "DIR", default_value = BPFFS)]
        bpffs: PathBuf,
    },
}

/// Which agent to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Agent {
    /// Unix socket of the agent
    #[arg(long, env = "TIDEGATE_API", value_name = "PATH", default_value = API)]
    pub(crate) api: PathBuf,
}

/// What `get` can show.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum What {
    #[value(alias = "service", alias = "svc")]
    Services,
    #[value(alias = "endpoint", alias = "ep")]
    Endpoints,
    #[value(alias = "frontend")]
    Frontends,
    #[value(alias = "backend")]
    Backends,
    #[value(alias = "flow")]
    Flows,
    #[value(alias = "device")]
    Devices,
}

/// `-o`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Wide,
    Json,
    Yaml,
}
