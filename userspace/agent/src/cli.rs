//! The command line. Names of commands and flags are the contract with users and scripts.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::config::{API, BPFFS, Options};
use crate::show::Colour;

/// A Kubernetes Service load balancer whose data path is eBPF.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 bad usage, 3 no agent at the socket."
)]
pub(crate) struct Cli {
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help = "Colours: auto, always or never; auto means on a terminal, unless NO_COLOR is set"
    )]
    pub(crate) color: Colour,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent in the foreground; prints `ready` when the maps match the sources
    Run(Box<Options>),
    /// Show what the agent and the kernel hold
    Get(commands::get::Args),
    /// Show devices, hooks and why, last sync, map use, drops by reason, and problems
    Status(commands::status::Args),
    /// Store Services, EndpointSlices, Pods and Nodes in the agent's own store
    Apply(commands::apply::Args),
    /// Remove objects from the agent's own store
    Delete(commands::delete::Args),
    /// Everything about one Service, and why each endpoint is used or not
    Describe(commands::describe::Args),
    /// What the data path would do with a packet, step by step, changing nothing
    Explain(commands::explain::Args),
    /// Live events of the data path
    Monitor(commands::monitor::Args),
    /// A live table of Services and backends
    Top(commands::top::Args),
    /// What this kernel can do, and what it costs to lack the rest
    Check(Box<commands::check::Args>),
    /// Flow state
    Flows(commands::flows::Args),
    /// The chained CNI plugin, run by a container runtime
    Cni(commands::cni::Args),
    /// Completion scripts for shells
    Completion(commands::completion::Args),
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

/// `-o`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Wide,
    Json,
    Yaml,
}
