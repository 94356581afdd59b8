//! How a command ends when it does not end well: one line for the operator and an exit code.

use std::{fmt, process::ExitCode};

use tidegate_api::client;

/// A command's failure. The codes are part of the contract with scripts.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit code 1.
    Failed(anyhow::Error),
    /// Exit code 2: the command line, the environment or the configuration file is wrong.
    Usage(String),
    /// Exit code 3: nobody answers at the socket.
    NoAgent(String),
    /// Exit code 0: who reads stdout has seen enough (`| head`).
    Unheard,
}

impl Failure {
    /// The process's exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NoAgent(_) => 3,
            Self::Unheard => 0,
        })
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        match error {
            client::Error::NoAgent(text) => Self::NoAgent(text),
            other => Self::Failed(other.into()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Failed(error) => sentence(error),
            Self::Usage(text) | Self::NoAgent(text) => text.clone(),
            Self::Unheard => return Ok(()),
        };
        // One line is the promise: sources of errors (the verifier, a parser) may write several.
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        f.write_str(lines.next().unwrap_or("unknown error"))?;
        lines.try_for_each(|line| write!(f, "; {line}"))
    }
}

/// The error and its causes. A loader's error is a whole sentence, and its causes are the verifier's
/// log: nobody reads that in one line, so it is left to `TIDEGATE_LOG=debug`.
fn sentence(error: &anyhow::Error) -> String {
    let mut texts = Vec::new();
    for cause in error.chain() {
        texts.push(cause.to_string());
        if cause.is::<tidegate_loader::Error>() {
            tracing::debug!("{error:#}");
            break;
        }
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_with_its_causes() {
        let error = anyhow::anyhow!("no such file\nor directory").context("cannot read a.yaml");
        let failure = Failure::from(error);
        assert_eq!(
            failure.to_string(),
            "cannot read a.yaml: no such file; or directory"
        );
    }
}
