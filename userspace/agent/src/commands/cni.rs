//! `tidegate cni`: the chained CNI plugin. It does what `CNI_COMMAND` says.

mod install;

use std::{
    env,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tidegate_cni::{INPUT_MAX, Invocation, Kernel, Outcome};

use crate::{config::API, failure::Failure, show};

/// Flags of `tidegate cni`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Unix socket of the agent; wins over `api` in the network configuration [default: /run/tidegate/api.sock]
    #[arg(long, env = "TIDEGATE_API", value_name = "PATH")]
    api: Option<PathBuf>,
    /// Only copy this program into a directory of CNI plugins, such as /opt/cni/bin
    #[arg(long, value_name = "DIR")]
    install: Option<PathBuf>,
}

/// Whether a container runtime calls: it says what it wants in the environment, and gives no arguments.
pub(crate) fn is_meant() -> bool {
    env::args_os().len() == 1 && env::var_os("CNI_COMMAND").is_some()
}

/// The flags of a runtime, which gives none.
pub(crate) fn args() -> Args {
    Args {
        api: env::var_os("TIDEGATE_API").map(PathBuf::from),
        install: None,
    }
}

/// Runs the command. Faults are told on standard output, as the specification wants them.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    if let Some(directory) = &args.install {
        let path = install::install(Path::new("/proc/self/exe"), directory)?;
        return show::print(&format!("{}\n", path.display()));
    }
    let mut input = Vec::new();
    // Somebody who tries it by hand would wait for ever.
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let read = stdin.lock().take(INPUT_MAX).read_to_end(&mut input);
        let _bytes = read.context("cannot read the network configuration")?;
    }
    let invocation = Invocation {
        environment: |name: &str| env::var(name).ok(),
        input: &input,
        api: args.api.as_deref(),
        default_api: Path::new(API),
    };
    // Threads of a larger runtime would cost more time than the whole command takes.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let Outcome {
        output,
        remarks,
        fault,
    } = runtime.block_on(tidegate_cni::run(invocation, &Kernel));
    for remark in remarks {
        eprintln!("tidegate: {remark}");
    }
    if !output.is_empty() {
        let mut out = io::stdout().lock();
        writeln!(out, "{output}").context("cannot print the result")?;
    }
    // Runtimes read standard output; this is for people and for logs.
    fault.map_or(Ok(()), |fault| Err(anyhow::anyhow!(fault).into()))
}
