//! Errors as the specification wants them: a number, a line, and details, as JSON on standard output.

use std::fmt;

use serde_json::json;

/// The specification's numbers below 100; ours from 100.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Code {
    IncompatibleVersion = 1,
    UnsupportedField = 2,
    UnknownContainer = 3,
    InvalidEnvironment = 4,
    Io = 5,
    Decoding = 6,
    InvalidConfig = 7,
    TryAgainLater = 11,
    /// ADD cannot be served.
    NotAvailable = 50,
    /// The same, and what is there may be cut off.
    LimitedConnectivity = 51,
    /// The agent has the device and cannot attach to it.
    NotAttached = 100,
    /// CHECK: the agent does not hold what ADD told it.
    OutOfStep = 101,
    /// The agent refuses the request.
    Refused = 102,
}

/// Why a command fails.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    pub code: Code,
    /// One line: what is wrong, where, what to do.
    pub message: String,
    /// More, or nothing.
    pub details: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: String::new(),
        }
    }

    pub(crate) fn with_details(self, details: impl Into<String>) -> Self {
        Self {
            details: details.into(),
            ..self
        }
    }

    /// As the runtime reads it.
    pub(crate) fn json(&self, version: &str) -> String {
        let mut error = json!({
            "cniVersion": version,
            "code": self.code as u32,
            "msg": self.message,
        });
        if !self.details.is_empty() {
            error["details"] = json!(self.details);
        }
        error.to_string()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
