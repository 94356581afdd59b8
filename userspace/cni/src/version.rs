//! Versions of the specification: which are spoken, and which commands each of them has.

use serde_json::{Value, json};

use crate::{
    environment::Command,
    failure::{Code, Failure},
};

/// Oldest first. Before 0.3.0 there was no chaining.
const SUPPORTED: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
/// What a runtime means that names no version.
pub(crate) const UNNAMED: &str = "0.1.0";

/// The answer to VERSION.
pub(crate) fn supported(input: &[u8]) -> String {
    json!({ "cniVersion": answered(input), "supportedVersions": SUPPORTED }).to_string()
}

/// The version in which to answer, also to what is not understood: the one that was asked in, if it is
/// one of ours.
pub(crate) fn answered(input: &[u8]) -> String {
    let value: Value = serde_json::from_slice(input).unwrap_or_default();
    let asked = value["cniVersion"].as_str().unwrap_or_default();
    let known = SUPPORTED.iter().find(|version| **version == asked);
    known.copied().unwrap_or(NEWEST).to_owned()
}

const NEWEST: &str = SUPPORTED[SUPPORTED.len() - 1];

/// Fails if the version is none of ours, or has no such command.
pub(crate) fn require(command: Command, version: &str) -> Result<(), Failure> {
    let rank = |wanted: &str| SUPPORTED.iter().position(|version| *version == wanted);
    let Some(asked) = rank(version) else {
        let ours = SUPPORTED.join(", ");
        return Err(Failure::new(
            Code::IncompatibleVersion,
            format!("cniVersion {version:?} is not supported: write one of {ours}"),
        ));
    };
    let since = match command {
        Command::Check => "0.4.0",
        Command::Gc | Command::Status => "1.1.0",
        Command::Add | Command::Del | Command::Version => SUPPORTED[0],
    };
    if rank(since) > Some(asked) {
        return Err(Failure::new(
            Code::IncompatibleVersion,
            format!(
                "cniVersion {version} has no {}: that came with {since}",
                command.name()
            ),
        ));
    }
    Ok(())
}
