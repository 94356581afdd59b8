//! `tidegate top`: a live table of Services and backends.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use tidegate_api::{TrafficReport, client};
use tokio::time::sleep;

use crate::{
    cli::Agent,
    failure::Failure,
    show::{print, screen},
    top::{self, State},
};

const EXAMPLES: &str = "\
Examples:
  tidegate top
  tidegate top --service kube-system/kube-dns
  tidegate top --once --filter shop/ | head";

/// Flags of `tidegate top`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    interval: f64,
    /// Only Services whose name, port or protocol has this text in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Begin with the backends of this Service: NS/NAME, or NAME in namespace default
    #[arg(long, value_name = "NS/NAME")]
    service: Option<String>,
    /// Print one interval as text, and end; so it is, too, where there is no terminal
    #[arg(short = 'b', long, visible_alias = "batch")]
    once: bool,
    #[command(flatten)]
    agent: Agent,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    crate::runtime()?.block_on(watch(args))
}

async fn watch(args: Args) -> Result<(), Failure> {
    let interval = Duration::from_secs_f64(args.interval);
    let mut state = State::new(interval, args.filter);
    state.take(ask(&args.agent, &state).await?);
    if let Some(service) = &args.service {
        let (namespace, name) = super::named(service, None)?;
        if !state.open_service(&format!("{namespace}/{name}")) {
            return Err(anyhow::anyhow!(
                "no Service {namespace}/{name} is served here; `tidegate get services` names them all"
            )
            .into());
        }
        state.take(ask(&args.agent, &state).await?);
    }
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    if is_terminal && !args.once {
        return top::live(state, args.agent.api).await;
    }
    sleep(interval).await;
    state.take(ask(&args.agent, &state).await?);
    print(&top::plain(&state, screen().width))
}

async fn ask(agent: &Agent, state: &State) -> Result<TrafficReport, client::Error> {
    client::get(&agent.api, &top::path(state.wanted())).await
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.1 to 3600".to_owned()),
    }
}
