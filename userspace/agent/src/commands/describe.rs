//! `tidegate describe service`: everything about one Service.

use clap::Subcommand;
use tidegate_api::{ServiceDescription, client};

use crate::{
    cli::{Agent, Output},
    failure::Failure,
    show,
};

const EXAMPLES: &str = "\
Examples:
  tidegate describe service default/web
  tidegate describe service web -n default
  tidegate describe service web -o json";

/// Flags of `tidegate describe`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One Service: policies, addresses, frontends, counters, and why each endpoint is used or not
    #[command(visible_alias = "svc", alias = "services", after_help = EXAMPLES)]
    Service(Service),
}

#[derive(clap::Args, Debug)]
struct Service {
    /// NS/NAME, or NAME
    name: String,
    /// The namespace of NAME [default: default]
    #[arg(short, long, value_name = "NS")]
    namespace: Option<String>,
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
    #[command(flatten)]
    agent: Agent,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let What::Service(args) = args.what;
    let (namespace, name) = super::named(&args.name, args.namespace.as_deref())?;
    let path = format!("/v1/describe/services/{namespace}/{name}");
    let asked = client::get::<ServiceDescription>(&args.agent.api, &path);
    let service = crate::runtime()?.block_on(asked)?;
    show::print(&match args.output {
        Output::Table => show::description(&service, show::screen()),
        Output::Wide => {
            let screen = show::Screen {
                width: None,
                ..show::screen()
            };
            show::description(&service, screen)
        }
        Output::Json => show::json(&service)?,
        Output::Yaml => show::yaml(&service)?,
    })
}
