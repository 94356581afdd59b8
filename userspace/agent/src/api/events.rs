//! Events as they happen: one JSON value a line.

use axum::{
    body::{Body, Bytes},
    extract::{Query as Parameters, State, rejection::QueryRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::Deserialize;
use tidegate_abi::Reason;
use tidegate_api::{EventLine, StatusError};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, failure::Failure};
use crate::{
    events::{self, Heard, Listener, Wish, kind, tellable},
    names::Names,
    watching::Watching,
};

/// Lines that are sent at a time.
const LINES: usize = 256;
const KINDS: [&str; 3] = ["drop", "reject", "new"];

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(listen))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EventParameters {
    /// Only of this Service: `NS/NAME`.
    service: Option<String>,
    /// Only where the packet's source or destination is this address, or lies in this block.
    address: Option<String>,
    /// Only with these reasons, separated by commas; those of metrics and of `status`.
    reason: Option<String>,
    /// Only `drop`, `reject` or `new`, separated by commas.
    kind: Option<String>,
    /// One event in so many, rounded up to a power of two; chosen at random in the kernel.
    sample: Option<u32>,
}

/// Packets that are dropped or rejected, and new flows, as they happen: NDJSON, without an end. The kernel
/// makes only events that somebody listens for.
#[utoipa::path(get, path = "/v1/events", tag = "watching", operation_id = "follow_events", params(EventParameters), responses(
    (status = 200, body = EventLine, content_type = "application/x-ndjson", description = "one event a line, without an end"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn listen(
    State(api): State<Api>,
    parameters: Result<Parameters<EventParameters>, QueryRejection>,
) -> Result<Response, Failure> {
    let Parameters(parameters) =
        parameters.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let watching = api.watching()?;
    let wish = wish(&parameters, &watching.names())?;
    let listener = watching.events.listen(wish).await;
    let listener =
        listener.map_err(|reason| Failure::new(StatusCode::SERVICE_UNAVAILABLE, reason))?;
    let lines = stream::unfold((listener, watching), next);
    let head = [(CONTENT_TYPE, "application/x-ndjson")];
    Ok((head, Body::from_stream(lines)).into_response())
}

/// What waits, as lines; nothing: the agent stops.
async fn next(
    (mut listener, watching): (Listener, Watching),
) -> Option<(Result<Bytes, serde_json::Error>, (Listener, Watching))> {
    let mut heard = Vec::new();
    if listener.next(&mut heard, LINES).await == 0 {
        return None;
    }
    let names = watching.names();
    let mut text = Vec::new();
    for heard in heard {
        let line = match heard {
            Heard::Event(event) => EventLine::Event(Box::new(events::row(&event, &names))),
            Heard::Lost(lost) => EventLine::Lost { lost },
        };
        if let Err(error) = serde_json::to_writer(&mut text, &line) {
            return Some((Err(error), (listener, watching)));
        }
        text.push(b'\n');
    }
    Some((Ok(text.into()), (listener, watching)))
}

fn wish(parameters: &EventParameters, names: &Names) -> Result<Wish, Failure> {
    let block = parameters.address.as_deref().map(str::parse).transpose();
    let every = parameters.sample.unwrap_or(1);
    if every == 0 || every > 1 << 31 {
        return Err(Failure::bad_request(format!(
            "sample: `{every}` is not a number from 1 to 2147483648"
        )));
    }
    Ok(Wish {
        reasons: reasons(parameters)?,
        block: block
            .map_err(|reason: String| Failure::bad_request(format!("address: {reason}")))?,
        service: service(parameters.service.as_deref(), names)?,
        shift: every.next_power_of_two().trailing_zeros(),
    })
}

/// A Service that does not exist is told: nobody would notice a slip of the pen otherwise.
fn service(wanted: Option<&str>, names: &Names) -> Result<Option<(String, String)>, Failure> {
    let Some(text) = wanted else { return Ok(None) };
    let Some((namespace, name)) = text.split_once('/') else {
        return Err(Failure::bad_request(format!(
            "service: `{text}` is not NAMESPACE/NAME"
        )));
    };
    let mut all = names.services().map(|(_, name)| name);
    if !all.any(|it| it.key.namespace == namespace && it.key.service == name) {
        return Err(Failure::not_found(format!(
            "no Service {text} is served here; `tidegate get services` names them all"
        )));
    }
    Ok(Some((namespace.to_owned(), name.to_owned())))
}

fn reasons(parameters: &EventParameters) -> Result<u64, Failure> {
    let kinds = list(parameters.kind.as_deref());
    if let Some(kind) = kinds.iter().find(|kind| !KINDS.contains(*kind)) {
        return Err(Failure::bad_request(format!(
            "kind: `{kind}` is none of {}",
            KINDS.join(", ")
        )));
    }
    let labels = list(parameters.reason.as_deref());
    let is_told = |label: &&str| tellable().any(|reason| reason.label() == *label);
    if let Some(label) = labels.iter().find(|label| !is_told(label)) {
        let all: Vec<&str> = tellable().map(Reason::label).collect();
        return Err(Failure::bad_request(format!(
            "reason: `{label}` is none of {}",
            all.join(", ")
        )));
    }
    let wanted = tellable().filter(|reason| {
        let is_kind = kinds.is_empty() || kind(*reason).is_some_and(|it| kinds.contains(&it));
        is_kind && (labels.is_empty() || labels.contains(&reason.label()))
    });
    match wanted.fold(0, |bits, reason| bits | 1_u64 << (reason as u32)) {
        0 => Err(Failure::bad_request(
            "reason and kind together leave nothing to tell of; drop one of them",
        )),
        bits => Ok(bits),
    }
}

fn list(text: Option<&str>) -> Vec<&str> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests;
