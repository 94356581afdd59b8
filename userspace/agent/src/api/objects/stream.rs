//! Watching over HTTP: one JSON event a line, for as long as somebody reads.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use super::super::{Api, failure::Failure};
use crate::objects::{Expired, Scope, Watch, event};

/// How often those who ask for bookmarks hear where they stand.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// What is said about a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WatchParameters {
    /// Follow the changes (`true`): one event a line, `{"type": "ADDED", "object": {}}`.
    watch: Option<String>,
    /// Changes after this version; without one, what is there now comes first, as `ADDED`.
    resource_version: Option<String>,
    /// Send `BOOKMARK` events now and then.
    allow_watch_bookmarks: Option<bool>,
    /// End the watch after so many seconds.
    timeout_seconds: Option<u64>,
}

impl WatchParameters {
    pub(super) fn is_watch(&self) -> Result<bool, Failure> {
        match self.watch.as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1" | "") => Ok(true),
            Some(other) => Err(Failure::bad_request(format!(
                "watch={other}: must be true or false"
            ))),
        }
    }

    fn from(&self) -> Result<Option<u64>, Failure> {
        match self.resource_version.as_deref() {
            None | Some("" | "0") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_error| {
                Failure::bad_request(format!("resourceVersion={text}: is not one of ours"))
            }),
        }
    }
}

/// Follows the objects of a scope.
pub(super) fn watch(api: &Api, scope: Scope, asked: &WatchParameters) -> Result<Response, Failure> {
    let (watch, first) = api
        .objects
        .watch(scope, asked.from()?)
        .map_err(|Expired| expired())?;
    let now = Instant::now();
    let state = State {
        watch,
        first: Some(first),
        bookmark: asked
            .allow_watch_bookmarks
            .unwrap_or(false)
            .then(|| now + BOOKMARKS),
        end: asked
            .timeout_seconds
            .and_then(|seconds| now.checked_add(Duration::from_secs(seconds))),
        has_ended: false,
    };
    let lines = stream::unfold(state, |mut state| async move {
        let lines = state.next().await?;
        Some((Ok::<_, std::convert::Infallible>(lines), state))
    });
    let kind = [(CONTENT_TYPE, "application/json;stream=watch")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

struct State {
    watch: Watch,
    /// What was there when the watch began.
    first: Option<Vec<Value>>,
    bookmark: Option<Instant>,
    end: Option<Instant>,
    has_ended: bool,
}

impl State {
    /// The next lines; `None`: the watch has ended.
    async fn next(&mut self) -> Option<Bytes> {
        if self.has_ended {
            return None;
        }
        if let Some(first) = self.first.take() {
            // Also when there is nothing: the answer's head goes out with the first bytes.
            return Some(lines(&first));
        }
        let never = Instant::now() + Duration::from_secs(86_400);
        let until = self.bookmark.into_iter().chain(self.end).min();
        match timeout_at(until.unwrap_or(never), self.watch.next()).await {
            Ok(Some(Ok(events))) => Some(lines(&events)),
            Ok(Some(Err(Expired))) => {
                self.has_ended = true;
                let status = serde_json::to_value(expired().status()).unwrap_or_default();
                Some(lines(&[event("ERROR", status)]))
            }
            Ok(None) => None,
            Err(_elapsed) if self.end.is_some_and(|end| Instant::now() >= end) => None,
            Err(_elapsed) => {
                self.bookmark = self.bookmark.map(|_past| Instant::now() + BOOKMARKS);
                Some(match self.bookmark {
                    Some(_) => lines(&[self.watch.bookmark()]),
                    None => Bytes::new(),
                })
            }
        }
    }
}

fn lines(events: &[Value]) -> Bytes {
    let mut text = String::new();
    for event in events {
        text.push_str(&event.to_string());
        text.push('\n');
    }
    text.into()
}

fn expired() -> Failure {
    let reason =
        "too old resource version, or one of another agent: list again, and watch from there";
    Failure::new(StatusCode::GONE, reason)
}
