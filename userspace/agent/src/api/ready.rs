//! Whether the agent is ready, asked without making it count anything.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use tidegate_api::StatusError;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, failure::Failure};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(healthz))
}

/// 200 while the maps match the sources.
#[utoipa::path(get, path = "/healthz", tag = "node", responses(
    (status = 200, description = "the maps match the sources"),
    (status = 503, body = StatusError, description = "they do not, or not yet")))]
async fn healthz(State(api): State<Api>) -> Response {
    if api.devices.view().borrow().synced {
        return Json(json!({ "synced": true })).into_response();
    }
    let reason = "the maps do not match the sources: `tidegate status` says why";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}
