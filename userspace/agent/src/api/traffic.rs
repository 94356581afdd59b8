//! Counters of service ports and backends, for `top` and for scripts that make rates of them.

use axum::{
    Json,
    extract::{Query as Parameters, State, rejection::QueryRejection},
    http::StatusCode,
};
use serde::Deserialize;
use tidegate_api::{StatusError, TrafficReport};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, failure::Failure};
use crate::watching::{Detail, Watching};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(traffic))
}

impl Api {
    /// What can be watched.
    pub(super) fn watching(&self) -> Result<Watching, Failure> {
        self.watching.clone().ok_or_else(|| {
            Failure::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the data path is not loaded yet",
            )
        })
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TrafficParameters {
    /// `all` (the default), `none`, or the `id` of the one service port whose backends are wanted.
    backends: Option<String>,
}

/// What went through each service port and backend, and how packets ended. Counters only grow, for as long as
/// the maps live; `monotonicNanoseconds` says when they were read.
#[utoipa::path(get, path = "/v1/traffic", tag = "watching", operation_id = "get_traffic",
    params(TrafficParameters), responses(
    (status = 200, body = TrafficReport, description = "counters since the maps were made"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn traffic(
    State(api): State<Api>,
    parameters: Result<Parameters<TrafficParameters>, QueryRejection>,
) -> Result<Json<TrafficReport>, Failure> {
    let Parameters(parameters) =
        parameters.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let detail = detail(parameters.backends.as_deref())?;
    let watching = api.watching()?;
    // Thousands of system calls on a large node.
    let report = tokio::task::spawn_blocking(move || watching.report(detail)).await;
    let broken = |reason: String| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, reason);
    let report = report.map_err(|error| broken(format!("cannot read the counters: {error}")))?;
    Ok(Json(report.map_err(broken)?))
}

fn detail(text: Option<&str>) -> Result<Detail, Failure> {
    match text {
        None | Some("all") => Ok(Detail::All),
        Some("none") => Ok(Detail::None),
        Some(text) => text.parse().map(Detail::Of).map_err(|_not_a_number| {
            Failure::bad_request(format!(
                "backends: `{text}` is neither `all`, `none` nor the id of a service port"
            ))
        }),
    }
}
