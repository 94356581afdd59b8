//! Counts requests, for the metrics.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use crate::metrics::Vitals;

/// Notes how a request was answered. A stream counts when it begins.
pub(super) async fn counted(
    State(vitals): State<Arc<Vitals>>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let response = next.run(request).await;
    vitals.api_answered(method.as_str(), response.status().as_u16());
    response
}
