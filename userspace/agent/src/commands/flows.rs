//! `tidegate flows flush`: drops flow state, so that clients choose a backend anew.

mod filter;

use clap::Subcommand;
use hyper::Method;
use tidegate_api::{Flushed, client};

use crate::{cli::Agent, failure::Failure, show};

pub(crate) use filter::Filter;

const EXAMPLES: &str = "\
Examples:
  tidegate flows flush --service default/web
  tidegate flows flush --client 192.0.2.0/24 --proto tcp
  tidegate flows flush --backend 10.244.0.5:8080
  tidegate flows flush

Open TCP connections do not survive it: their next packet is answered with a reset.";

/// Flags of `tidegate flows`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Forget the flows that pass every filter, all without one; their clients choose a backend anew
    #[command(after_help = EXAMPLES)]
    Flush(Flush),
}

#[derive(clap::Args, Debug)]
struct Flush {
    #[command(flatten)]
    filter: Filter,
    /// All flows, as without a filter
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    agent: Agent,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let What::Flush(args) = args.what;
    let query = match (args.all, args.filter.is_empty()) {
        // The contract names the bare command: it means all, as with `conntrack -F`.
        (_, true) => "all=true".to_owned(),
        (true, false) => {
            return Err(Failure::Usage(
                "--all and a filter: say one of them".to_owned(),
            ));
        }
        (false, false) => args.filter.query()?.join("&"),
    };
    let path = format!("/v1/flows?{query}");
    let called = client::call::<Flushed>(&args.agent.api, Method::DELETE, &path);
    let Flushed { removed } = crate::runtime()?.block_on(called)?;
    show::print(&format!("{removed} flows flushed\n"))
}
