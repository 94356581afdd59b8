//! Refusals, shaped as Kubernetes shapes them.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tidegate_api::{Cause, Details, StatusError};

/// What the document says of every answer that is no success.
pub(super) const REFUSED: &str = "refused or failed: what is wrong, and what to do";

/// An answer that is no success. The message is one sentence: what is wrong, and what to do.
#[derive(Debug)]
pub(crate) struct Failure(Box<StatusError>);

impl Failure {
    /// With the reason that Kubernetes gives for this status.
    pub(crate) fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self(Box::new(StatusError::new(
            code.as_u16(),
            reason(code),
            message.into(),
        )))
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// Another reason than the usual one of the status.
    pub(crate) fn reason(mut self, reason: &str) -> Self {
        self.0.reason = reason.to_owned();
        self
    }

    /// Every single thing that is wrong.
    pub(crate) fn causes(mut self, causes: Vec<Cause>) -> Self {
        self.0.details = Some(Details { causes });
        self
    }

    /// The body.
    pub(crate) fn status(&self) -> &StatusError {
        &self.0
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.0.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (code, Json(self.0)).into_response()
    }
}

fn reason(code: StatusCode) -> &'static str {
    match code {
        StatusCode::BAD_REQUEST => "BadRequest",
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
        StatusCode::CONFLICT => "Conflict",
        StatusCode::GONE => "Expired",
        StatusCode::PAYLOAD_TOO_LARGE => "RequestEntityTooLarge",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "UnsupportedMediaType",
        StatusCode::UNPROCESSABLE_ENTITY => "Invalid",
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => "Timeout",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        StatusCode::INSUFFICIENT_STORAGE => "InsufficientStorage",
        _ => "InternalError",
    }
}
