//! Log lines: to stderr, as text or JSON, filtered by `TIDEGATE_LOG` (`debug`, `tidegate::netlink=trace`, …).

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::{config::LogFormat, failure::Failure};

/// The variable that holds the filter.
const VARIABLE: &str = "TIDEGATE_LOG";

/// Starts logging; once a process.
pub(crate) fn start(format: LogFormat) -> Result<(), Failure> {
    let filter = std::env::var(VARIABLE).unwrap_or_else(|_unset| "info".to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::Usage(format!("{VARIABLE}={filter} is not a log filter: {error}"))
    })?;
    let lines = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
