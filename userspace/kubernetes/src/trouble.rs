//! What can go wrong between here and the API server, by what is to be done about it.

use std::{error::Error, time::Duration};

use kube::core::Status;
use serde_json::Value;

/// A failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// The version that we know is too old to go on from (410): list again.
    Expired,
    /// The server does not have the resource (404).
    Missing,
    /// The server does not show us the resource (403).
    Forbidden(String),
    /// The server answered with another error. It may say when to come again.
    Refused(String, Duration),
    /// The server could not be reached, or the connection broke.
    Broken(String),
}

impl Trouble {
    pub(crate) fn broken(text: impl Into<String>) -> Self {
        Self::Broken(text.into())
    }

    /// What an `ERROR` event carries.
    pub(crate) fn of_event(object: Value) -> Self {
        match serde_json::from_value::<Status>(object) {
            Ok(status) => Self::of_status(&status),
            Err(_) => Self::Refused("an error without a reason".to_owned(), Duration::ZERO),
        }
    }

    pub(crate) fn of_status(status: &Status) -> Self {
        let text = match (status.message.trim(), status.reason.trim()) {
            ("", "") => format!("HTTP status {}", status.code),
            ("", reason) => format!("{reason} ({})", status.code),
            (message, _) => format!("{message} ({})", status.code),
        };
        let after = status
            .details
            .as_ref()
            .map_or(0, |it| it.retry_after_seconds);
        match (status.code, status.reason.as_str()) {
            (410, _) | (_, "Expired" | "Gone") => Self::Expired,
            (404, _) => Self::Missing,
            (403, _) => Self::Forbidden(text),
            // A list that the server's caches are not ready for is asked for without a version.
            _ => Self::Refused(text, Duration::from_secs(after.into())),
        }
    }

    /// In one phrase.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Expired => "the known version is too old".to_owned(),
            Self::Missing => "the server does not have them (404)".to_owned(),
            Self::Forbidden(text) | Self::Refused(text, _) | Self::Broken(text) => text.clone(),
        }
    }
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) => Self::of_status(status),
            kube::Error::Service(cause) => Self::Broken(connecting(&chain(cause.as_ref()))),
            kube::Error::HyperError(cause) => Self::Broken(chain(cause)),
            other => Self::Broken(chain(other)),
        }
    }
}

/// What wraps the cause says nothing that an operator knows.
fn connecting(text: &str) -> String {
    match text.strip_prefix("client error (Connect): ") {
        Some(cause) => format!(
            "cannot connect: {}",
            cause.trim_start_matches("tcp connect error: ")
        ),
        None => text.replacen("client error (SendRequest)", "the connection broke off", 1),
    }
}

/// An error with its causes, each once: many repeat what lies below them.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expired_version_is_known_by_code_and_by_reason() {
        for object in [
            json!({"kind": "Status", "code": 410, "reason": "Gone", "message": "too old"}),
            json!({"kind": "Status", "code": 410, "reason": "Expired"}),
            json!({"kind": "Status", "code": 500, "reason": "Expired"}),
        ] {
            assert_eq!(Trouble::of_event(object), Trouble::Expired);
        }
    }

    #[test]
    fn a_busy_server_says_when_to_come_again() {
        let object =
            json!({"code": 429, "message": "too many", "details": {"retryAfterSeconds": 7}});
        let busy = Trouble::Refused("too many (429)".to_owned(), Duration::from_secs(7));
        assert_eq!(Trouble::of_event(object), busy);
        let odd = Trouble::of_event(json!("nonsense"));
        assert!(matches!(odd, Trouble::Refused(..)), "{odd:?}");
    }
}
