//! A chained CNI plugin (specification 1.1.0) that hands pods' devices to the agent.
//!
//! It makes no device and gives no address: the plugins before it in the chain do. It finds the host end
//! of the pod's link, declares it at the agent's socket with the pod's addresses, and returns when packets
//! of the pod meet the data path. The way of an invocation: [`environment`] and [`config`] read what the
//! runtime says, one module a command does it, [`failure`] tells errors as the specification wants them.
//!
//! Not here: anything that touches the data path. That is the agent's alone.
#![forbid(unsafe_code)]

mod add;
mod agent;
mod check;
mod config;
mod environment;
mod failure;
mod forget;
mod link;
mod status;
#[cfg(test)]
mod tests;
mod version;

use std::path::Path;

use serde_json::json;

use agent::Agent;
use config::{Config, Strictness};
use environment::{Command, Environment};
pub use failure::{Code, Failure};
pub use link::{HostDevice, Kernel, Links};

/// The most that a runtime may write to the plugin; real configurations have a few kilobytes.
pub const INPUT_MAX: u64 = 4 << 20;

/// What the plugin is run with.
#[derive(Debug)]
pub struct Invocation<'a, E> {
    /// Looks an environment variable up.
    pub environment: E,
    /// What the runtime wrote to standard input.
    pub input: &'a [u8],
    /// The agent's socket as named on the command line; it wins over the configuration.
    pub api: Option<&'a Path>,
    /// The agent's socket if nobody names one.
    pub default_api: &'a Path,
}

/// How an invocation ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// For standard output; empty: nothing.
    pub output: String,
    /// For standard error, one line each.
    pub remarks: Vec<String>,
    /// Why it failed, in one line; then the exit code is 1.
    pub fault: Option<String>,
}

/// Runs one command of the specification.
pub async fn run<E>(invocation: Invocation<'_, E>, links: &impl Links) -> Outcome
where
    E: Fn(&str) -> Option<String>,
{
    let mut remarks = Vec::new();
    let result = command(&invocation, links, &mut remarks).await;
    let (output, fault) = match result {
        Ok(output) => (output, None),
        Err(failure) => {
            let version = version::answered(invocation.input);
            (failure.json(&version), Some(failure.to_string()))
        }
    };
    Outcome {
        output,
        remarks,
        fault,
    }
}

async fn command<E>(
    invocation: &Invocation<'_, E>,
    links: &impl Links,
    remarks: &mut Vec<String>,
) -> Result<String, Failure>
where
    E: Fn(&str) -> Option<String>,
{
    let environment = Environment::read(&invocation.environment)?;
    let command = environment.command;
    if command == Command::Version {
        return Ok(version::supported(invocation.input));
    }
    // Undoing must work with whatever was there before: a fault that only ADD minds must not keep a
    // container from being removed.
    let strictness = match command {
        Command::Del | Command::Gc => Strictness::Lenient,
        _ => Strictness::Strict,
    };
    let config = Config::read(invocation.input, strictness, remarks)?;
    version::require(command, &config.version)?;
    let socket = invocation.api.or(config.api.as_deref());
    let agent = Agent::new(socket.unwrap_or(invocation.default_api), config.timeout);
    match command {
        Command::Add => add::run(&environment, &config, &agent, links).await,
        Command::Check => check::run(&environment, &config, &agent, links).await,
        Command::Del => forget::del(&environment, &config, &agent, remarks).await,
        Command::Gc => forget::gc(&config, &agent, remarks).await,
        Command::Status => status::run(&agent).await,
        Command::Version => Ok(String::new()),
    }
}

/// A result in the configuration's version.
fn printed(mut result: serde_json::Value, version: &str) -> String {
    result["cniVersion"] = json!(version);
    result.to_string()
}
