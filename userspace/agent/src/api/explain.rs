//! What the data path would do with a packet.

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
};
use tidegate_api::{
    StatusError,
    explain::{ExplainRequest, Explanation},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, failure::Failure};
use crate::asking::{Answer, Question, Refusal};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// The way of one described packet through the data path, over the live maps; changes nothing.
#[utoipa::path(post, path = "/v1/explain", tag = "node", request_body = ExplainRequest, responses(
    (status = 200, body = Explanation, description = "what would become of the packet, step by step"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn explain(
    State(api): State<Api>,
    request: Result<Json<ExplainRequest>, JsonRejection>,
) -> Result<Json<Explanation>, Failure> {
    let Json(request) = request.map_err(|wrong| Failure::new(wrong.status(), wrong.body_text()))?;
    match api.ask(Question::Explain(Box::new(request))).await? {
        Answer::Explained(Ok(explanation)) => Ok(Json(*explanation)),
        Answer::Explained(Err(Refusal::Malformed(why))) => Err(Failure::bad_request(why)),
        Answer::Explained(Err(Refusal::Missing(why))) => Err(Failure::not_found(why)),
        Answer::Explained(Err(Refusal::Failed(why))) => {
            Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, why))
        }
        other => Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("an explanation was asked for, and {other:?} was answered"),
        )),
    }
}
