//! `tidegate status`: everything about the agent at a glance.

use tidegate_api::{Status, client};

use crate::{
    cli::{Agent, Output},
    failure::Failure,
    show,
};

const EXAMPLES: &str = "\
Examples:
  tidegate status
  tidegate status -o json | jq '.counters[] | select(.verdict == \"drop\")'";

/// Flags of `tidegate status`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
    #[command(flatten)]
    agent: Agent,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let asked = client::get::<Status>(&args.agent.api, "/v1/status");
    let status = crate::runtime()?.block_on(asked)?;
    show::print(&match args.output {
        Output::Table => show::status(&status, show::screen()),
        // As wide as it needs to be.
        Output::Wide => {
            let screen = show::Screen {
                width: None,
                ..show::screen()
            };
            show::status(&status, screen)
        }
        Output::Json => show::json(&status)?,
        Output::Yaml => show::yaml(&status)?,
    })
}
