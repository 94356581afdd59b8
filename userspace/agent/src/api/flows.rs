//! Flows: list with filters, flush.

use axum::{
    Json,
    extract::{Query as Parameters, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tidegate_api::{FlowRow, Flushed, List, StatusError};
use tidegate_control::PortKey;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, failure::Failure, parameters::Checked};
use crate::asking::{Answer, FlowFilter, Place, Question};

/// Flows that are answered when the request names no limit.
pub(crate) const FLOWS_LIMIT: usize = 1000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, flush))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FlowParameters {
    /// The most flows to answer; 1000 unless said otherwise.
    limit: Option<usize>,
    /// Drop every flow; must be said where no filter is.
    all: Option<bool>,
    /// Only flows of Services of this namespace.
    namespace: Option<String>,
    /// Only flows of Services of this name.
    service: Option<String>,
    /// `TCP`, `UDP` or `SCTP`.
    proto: Option<String>,
    /// Only flows of these clients: `10.0.0.1`, `10.0.0.0/8`, `10.0.0.1:80`, `[fd00::1]:80` or `:80`.
    client: Option<String>,
    /// Only flows that were dialled there; as `client`.
    frontend: Option<String>,
    /// Only flows to these backends; as `client`.
    backend: Option<String>,
    /// A TCP state, such as `open`.
    state: Option<String>,
}

impl FlowParameters {
    fn filter(self) -> Result<Box<FlowFilter>, Failure> {
        let place = |name: &str, text: Option<String>| {
            let place = text.as_deref().map(Place::parse).transpose();
            place.map_err(|reason| Failure::bad_request(format!("{name}: {reason}")))
        };
        let proto = self.proto.as_deref().map(str::to_ascii_uppercase);
        if let Some(proto) = proto.as_deref()
            && !["TCP", "UDP", "SCTP", "ICMP", "ICMPV6"].contains(&proto)
        {
            let reason = format!("proto: {proto:?} is not TCP, UDP or SCTP");
            return Err(Failure::bad_request(reason));
        }
        Ok(Box::new(FlowFilter {
            namespace: self.namespace,
            service: self.service,
            proto,
            client: place("client", self.client)?,
            frontend: place("frontend", self.frontend)?,
            backend: place("backend", self.backend)?,
            state: self.state,
        }))
    }
}

/// Flows, as the kernel has them.
#[utoipa::path(get, path = "/v1/flows", tag = "flows", operation_id = "list_flows", params(FlowParameters), responses(
    (status = 200, body = List<FlowRow>, description = "one row a flow"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn list(
    State(api): State<Api>,
    Checked(Parameters(asked)): Checked<FlowParameters>,
) -> Result<Response, Failure> {
    let limit = asked.limit.unwrap_or(FLOWS_LIMIT);
    let filter = asked.filter()?;
    Ok(api.respond(Question::Flows { filter, limit }).await)
}

/// Drops flows: both records of each. Connections that go on begin anew, or are reset.
#[utoipa::path(delete, path = "/v1/flows", tag = "flows", operation_id = "flush_flows", params(FlowParameters), responses(
    (status = 200, body = Flushed, description = "how many were dropped"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn flush(
    State(api): State<Api>,
    Checked(Parameters(asked)): Checked<FlowParameters>,
) -> Result<Response, Failure> {
    if asked.limit.is_some() {
        return Err(Failure::bad_request("limit: a flush has none"));
    }
    let all = asked.all.unwrap_or(false);
    let filter = asked.filter()?;
    if all != filter.is_everything() {
        return Err(Failure::bad_request(if all {
            "all=true and a filter: say one of them"
        } else {
            "no filter is said: say which flows to drop, or all=true"
        }));
    }
    let (namespace, service) = (filter.namespace.clone(), filter.service.clone());
    let flushed = match api.ask(Question::FlushFlows(filter)).await? {
        Answer::Flushed(flushed) => flushed,
        other => {
            let reason = format!("a flush was asked for, and {other:?} was answered");
            return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, reason));
        }
    };
    // Flows outlive their Service: only where there were none, it may be a slip of the pen.
    if let (0, Some(name)) = (flushed.removed, service) {
        known(&api, namespace.as_deref(), &name)?;
    }
    Ok(Json(flushed).into_response())
}

fn known(api: &Api, namespace: Option<&str>, name: &str) -> Result<(), Failure> {
    let Some(watching) = &api.watching else {
        return Ok(());
    };
    let names = watching.names();
    let is_it = |key: &PortKey| {
        key.service == name && namespace.is_none_or(|namespace| key.namespace == namespace)
    };
    if names.services().any(|(_, it)| is_it(&it.key)) {
        return Ok(());
    }
    let slash = namespace.map(|it| format!("{it}/")).unwrap_or_default();
    Err(Failure::not_found(format!(
        "no Service {slash}{name} is served here, and no flow is of one: `tidegate get services` names them all"
    )))
}
