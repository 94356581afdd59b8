//! Questions that the reconcile loop answers: rows about what it knows and what the kernel holds.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tidegate_api::{
    BackendRow, DeviceRow, EndpointRow, FrontendRow, List, ServiceRow, Status, StatusError,
};
use tokio::sync::oneshot;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, failure::Failure};
use crate::asking::{Answer, Query, Question};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(service_ports))
        .routes(routes!(endpoints))
        .routes(routes!(frontends))
        .routes(routes!(backends))
        .routes(routes!(devices))
        .routes(routes!(status))
}

impl Api {
    /// Asks the reconcile loop.
    pub(crate) async fn ask(&self, question: Question) -> Result<Answer, Failure> {
        let stopping = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping");
        let (reply, answer) = oneshot::channel::<Result<Answer, String>>();
        if self.asking.send(Query { question, reply }).await.is_err() {
            return Err(stopping());
        }
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(reason)) => Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, reason)),
            Err(_dropped) => Err(stopping()),
        }
    }

    /// The same, as an answer over HTTP.
    pub(crate) async fn respond(&self, question: Question) -> Response {
        match self.ask(question).await {
            Ok(answer) => Json(answer).into_response(),
            Err(failure) => failure.into_response(),
        }
    }
}

/// Service ports, with ready and all endpoints.
#[utoipa::path(get, path = "/v1/serviceports", tag = "node", responses(
    (status = 200, body = List<ServiceRow>, description = "one row a port of a Service"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn service_ports(State(api): State<Api>) -> Response {
    api.respond(Question::Services).await
}

/// Endpoints, whether each is used, and why.
#[utoipa::path(get, path = "/v1/endpoints", tag = "node", responses(
    (status = 200, body = List<EndpointRow>, description = "one row an endpoint and port"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn endpoints(State(api): State<Api>) -> Response {
    api.respond(Question::Endpoints).await
}

/// What can be dialled, as the kernel has it.
#[utoipa::path(get, path = "/v1/frontends", tag = "node", responses(
    (status = 200, body = List<FrontendRow>, description = "one row an address and port that can be dialled"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn frontends(State(api): State<Api>) -> Response {
    api.respond(Question::Frontends).await
}

/// Backend ids, as the kernel has them.
#[utoipa::path(get, path = "/v1/backends", tag = "node", responses(
    (status = 200, body = List<BackendRow>, description = "one row a backend id"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn backends(State(api): State<Api>) -> Response {
    api.respond(Question::Backends).await
}

/// Devices, roles, hooks and why.
#[utoipa::path(get, path = "/v1/devices", tag = "devices", responses(
    (status = 200, body = List<DeviceRow>, description = "one row a device"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn devices(State(api): State<Api>) -> Response {
    api.respond(Question::Devices).await
}

/// Everything about the agent at a glance.
#[utoipa::path(get, path = "/v1/status", tag = "node", responses(
    (status = 200, body = Status, description = "the agent, its devices, maps and counters"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn status(State(api): State<Api>) -> Response {
    api.respond(Question::Status).await
}
