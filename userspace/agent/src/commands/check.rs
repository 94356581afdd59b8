//! `tidegate check`: a preflight of the running kernel and this host, without an agent.
//!
//! It takes the flags of `run`, reads the same file and the same environment, and says for each thing that
//! the agent would use whether it is there, what it costs to lack it, and what to do. It changes nothing.

mod finding;
mod host;
mod kernel;
mod others;
mod rules;

use finding::{Report, State};

use crate::{
    cli::Output,
    config::{Config, Options},
    failure::Failure,
    show,
};

const EXAMPLES: &str = "\
Examples:
  tidegate check
  tidegate check --uplink eth0 --config /etc/tidegate/tidegate.toml
  tidegate check -o json | jq '.items[] | select(.state != \"ok\")'

Exit code 0: everything that is needed is there; 1: something needed is missing.";

/// Flags of `tidegate check`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
    #[command(flatten)]
    options: Options,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let config = Config::load(args.options)?;
    let mut items = host::needs(&config);
    items.extend(kernel::features());
    items.extend(crate::runtime()?.block_on(host::devices(&config)));
    items.extend(host::settings());
    items.extend(host::ports(&config));
    items.extend(others::findings(&config));
    let report = Report::of(items);
    show::print(&match args.output {
        Output::Table => report.text(show::screen()),
        Output::Wide => {
            let screen = show::Screen {
                width: None,
                ..show::screen()
            };
            report.text(screen)
        }
        Output::Json => show::json(&report)?,
        Output::Yaml => show::yaml(&report)?,
    })?;
    let missing: Vec<&str> = report
        .items
        .iter()
        .filter(|it| it.needed && it.state == State::Missing)
        .map(|it| it.name.as_str())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(anyhow::anyhow!("needed and missing: {}", missing.join(", ")).into())
}
