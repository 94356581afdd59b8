//! `tidegate monitor`: live events of the data path.

mod line;

use std::{future::pending, pin::pin, time::Duration};

use anyhow::Context as _;
use clap::{ValueEnum, builder::PossibleValuesParser};
use tidegate_abi::Reason;
use tidegate_api::{EventLine, client};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};

use crate::{
    cli::Agent,
    events::{Block, tellable},
    failure::Failure,
    show::{self, json_line, print},
};

const EXAMPLES: &str = "\
Without filters: drops, rejects and new flows. All filters are ANDed, and reach into the kernel: what nobody
asks for is not even written down there. Times are UTC.

Examples:
  tidegate monitor --kind drop,reject
  tidegate monitor --service default/web --address 192.168.0.0/16
  tidegate monitor --kind new --sample 1024 -o json
  tidegate monitor --reason no_endpoints --count 1";

/// Flags of `tidegate monitor`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only of this Service: NS/NAME, or NAME
    #[arg(long, value_name = "NS/NAME")]
    service: Option<String>,
    /// The namespace of NAME [default: default]
    #[arg(short, long, value_name = "NS", requires = "service")]
    namespace: Option<String>,
    /// Only where the packet's source or destination is this address, or lies in this block
    #[arg(long, value_name = "IP|CIDR", value_parser = block)]
    address: Option<String>,
    /// Only with these reasons, which `status` and metrics name, too
    #[arg(long, value_name = "REASON", value_delimiter = ',', hide_possible_values = true,
        value_parser = PossibleValuesParser::new(tellable().map(Reason::label)))]
    reason: Vec<String>,
    /// Only of these kinds
    #[arg(long, value_delimiter = ',')]
    kind: Vec<Kind>,
    /// One event in N, chosen at random; N is rounded up to a power of two
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1 << 31))]
    sample: u32,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// For people, or one JSON value a line
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[command(flatten)]
    agent: Agent,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Thrown away without an answer
    Drop,
    /// Answered with a reset or an ICMP error
    Reject,
    /// A flow that began
    New,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let path = path(&args)?;
    crate::runtime()?.block_on(follow(&args, &path))
}

async fn follow(args: &Args, path: &str) -> Result<(), Failure> {
    let handled = |kind| signal(kind).context("cannot handle signals");
    let mut interrupted = handled(SignalKind::interrupt())?;
    let mut terminated = handled(SignalKind::terminate())?;
    let mut lines = client::follow(&args.agent.api, path).await?;
    let is_for_people = args.output == Format::Table;
    if is_for_people {
        eprintln!("{}", greeting(args.sample));
    }
    let end = args
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
    let mut over = pin!(async {
        match end {
            Some(end) => sleep_until(end).await,
            None => pending().await,
        }
    });
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let line: Option<EventLine> = tokio::select! {
            line = lines.next() => line?,
            _signal = interrupted.recv() => return Ok(()),
            _signal = terminated.recv() => return Ok(()),
            () = &mut over => return Ok(()),
        };
        let Some(line) = line else {
            return Err(anyhow::anyhow!("the agent has stopped").into());
        };
        if matches!(line, EventLine::Event(_)) {
            left -= 1;
        }
        print(&if is_for_people {
            line::text(&line, show::screen())
        } else {
            json_line(&line)?
        })?;
    }
    Ok(())
}

/// That something happens, though nothing is seen yet.
fn greeting(sample: u32) -> String {
    match u64::from(sample).next_power_of_two() {
        1 => "listening; Ctrl-C ends".to_owned(),
        every => format!("listening to one event in {every}; Ctrl-C ends"),
    }
}

fn path(args: &Args) -> Result<String, Failure> {
    let mut filters = Vec::new();
    if let Some(service) = &args.service {
        let (namespace, name) = super::named(service, args.namespace.as_deref())?;
        filters.push(format!("service={namespace}/{name}"));
    }
    if let Some(address) = &args.address {
        filters.push(format!("address={address}"));
    }
    if !args.reason.is_empty() {
        filters.push(format!("reason={}", args.reason.join(",")));
    }
    if !args.kind.is_empty() {
        let kinds: Vec<&str> = args.kind.iter().map(|kind| kind.word()).collect();
        filters.push(format!("kind={}", kinds.join(",")));
    }
    if args.sample > 1 {
        filters.push(format!("sample={}", args.sample));
    }
    Ok(format!("/v1/events?{}", filters.join("&")))
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Reject => "reject",
            Self::New => "new",
        }
    }
}

/// As it was written, once it is known to be one.
fn block(text: &str) -> Result<String, String> {
    text.parse::<Block>().map(|_block| text.to_owned())
}
