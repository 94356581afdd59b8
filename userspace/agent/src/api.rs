//! The local API: HTTP/1.1 and JSON over a Unix socket.
//!
//! It holds no state: each request is a question to the task that owns the maps.

mod socket;
#[cfg(test)]
mod tests;

use axum::{
    Json, Router,
    extract::{Query as Parameters, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::{net::UnixListener, sync::oneshot};

pub(crate) use socket::bind;

use crate::view::{Answer, Asking, Query, Question};

/// Flows that are answered when the request names no limit.
pub(crate) const FLOWS_LIMIT: usize = 1000;

#[derive(Debug, Deserialize)]
struct FlowParameters {
    limit: Option<usize>,
}

/// Serves until the task is dropped.
pub(crate) async fn serve(listener: UnixListener, asking: Asking) {
    // It returns only when the listener fails for good.
    if let Err(error) = axum::serve(listener, router(asking)).await {
        tracing::error!("the local API has ended: {error}; restart the agent to get it back");
    }
}

fn router(asking: Asking) -> Router {
    let of = |question| get(move |State(asking): State<Asking>| ask(asking, question));
    Router::new()
        .route("/v1/services", of(Question::Services))
        .route("/v1/endpoints", of(Question::Endpoints))
        .route("/v1/frontends", of(Question::Frontends))
        .route("/v1/backends", of(Question::Backends))
        .route("/v1/devices", of(Question::Devices))
        .route("/v1/status", of(Question::Status))
        .route("/v1/flows", get(flows))
        .fallback(async || {
            failure(
                StatusCode::NOT_FOUND,
                "no such resource; see /v1/status".into(),
            )
        })
        .with_state(asking)
}

async fn flows(
    State(asking): State<Asking>,
    Parameters(parameters): Parameters<FlowParameters>,
) -> Response {
    let limit = parameters.limit.unwrap_or(FLOWS_LIMIT);
    ask(asking, Question::Flows { limit }).await
}

async fn ask(asking: Asking, question: Question) -> Response {
    let (reply, answer) = oneshot::channel::<Result<Answer, String>>();
    let stopping = || {
        failure(
            StatusCode::SERVICE_UNAVAILABLE,
            "the agent is stopping".into(),
        )
    };
    if asking.send(Query { question, reply }).await.is_err() {
        return stopping();
    }
    match answer.await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(reason)) => failure(StatusCode::INTERNAL_SERVER_ERROR, reason),
        Err(_dropped) => stopping(),
    }
}

fn failure(code: StatusCode, reason: String) -> Response {
    (code, Json(serde_json::json!({ "error": reason }))).into_response()
}
