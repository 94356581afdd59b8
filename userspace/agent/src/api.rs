//! The local API: HTTP/1.1 and JSON over a Unix socket.
//!
//! One module a group of routes, each with its `routes()`; the OpenAPI document is made from the same
//! routes, so it cannot differ from them. What is answered comes from the task that owns the maps
//! ([`crate::asking`]). Refusals are shaped as Kubernetes' `Status`.

mod body;
mod change;
mod counted;
mod devices;
pub(crate) mod failure;
mod describe;
mod events;
mod explain;
mod flows;
mod objects;
mod parameters;
mod patience;
mod questions;
mod ready;
mod server;
mod socket;
mod traffic;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{Method, StatusCode, Uri},
    middleware::from_fn_with_state,
};
use tokio::net::UnixListener;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    asking::Asking, devices::declared::Devices, metrics::Vitals, objects::Objects,
    watching::Watching,
};
use failure::Failure;
pub(crate) use flows::FLOWS_LIMIT;

pub(crate) use socket::bind;

/// What handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// How the task that owns the maps is asked.
    pub(crate) asking: Asking,
    /// All objects, and the store of those that are kept here.
    pub(crate) objects: Objects,
    /// Declared devices.
    pub(crate) devices: Arc<Devices>,
    /// Counters and events; `None`: there is no data path.
    pub(crate) watching: Option<Watching>,
    /// Where requests are counted.
    pub(crate) vitals: Arc<Vitals>,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "tidegate",
    description = "The local API of a tidegate agent: HTTP/1.1 and JSON over a Unix socket"
))]
struct Document;

/// Serves until the task is dropped.
pub(crate) async fn serve(listener: UnixListener, api: Api) {
    server::serve(listener, router(api), server::Limits::default()).await;
}

/// All routes, with their part of the document.
fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(document))
        .merge(questions::routes())
        .merge(flows::routes())
        .merge(objects::routes())
        .merge(change::routes())
        .merge(explain::routes())
        .merge(devices::routes())
        .merge(ready::routes())
        .merge(describe::routes())
        .merge(events::routes())
        .merge(traffic::routes())
}

/// This document: every route, made from the code.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "node", operation_id = "get_openapi",
    responses((status = 200, body = Value, description = "this document")))]
async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(routes().into_openapi())
}

fn router(api: Api) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(async |uri: Uri| {
            let reason = "no such resource; /v1/openapi.json names them all";
            Failure::not_found(format!("{}: {reason}", uri.path()))
        })
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            let reason = format!("{} does not take {method}", uri.path());
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, reason)
        })
        .layer(from_fn_with_state(
            Arc::clone(&api.vitals),
            counted::counted,
        ))
        .with_state(api)
}
