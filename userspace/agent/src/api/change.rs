//! Changes of many objects at once: all of it or nothing.

use axum::{
    Json as Answer,
    extract::{Query as Parameters, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_api::{Cause, Changes, StatusError};
use tidegate_control::ObjectKey;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    body::{self, Json},
    failure::Failure,
    parameters::Checked,
};
use crate::objects::{Applied, Order, Outcome, Refusal, Unknown, What};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(get_snapshot, put_snapshot))
        .routes(routes!(apply))
        .routes(routes!(delete))
}

/// What is said about every change.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeParameters {
    /// Only say what would be done: `true`, or `All` as Kubernetes has it.
    dry_run: Option<String>,
    /// What to do with unknown fields: `Warn` (default), `Strict` refuses them, `Ignore`.
    field_validation: Option<String>,
}

/// What is said about a deletion.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DeleteParameters {
    /// Only say what would be done: `true`, or `All` as Kubernetes has it.
    dry_run: Option<String>,
    /// What to do with unknown fields: `Warn` (default), `Strict` refuses them, `Ignore`.
    field_validation: Option<String>,
    /// Deleting what is not there is no fault.
    ignore_not_found: Option<bool>,
}

impl ChangeParameters {
    pub(super) fn order(&self, what: What, body: Value) -> Result<Order, Failure> {
        let is_dry = match self.dry_run.as_deref() {
            None | Some("false" | "") => false,
            Some("true" | "All") => true,
            Some(other) => {
                let reason = format!("dryRun={other}: must be true or false");
                return Err(Failure::bad_request(reason));
            }
        };
        let unknown = match self.field_validation.as_deref() {
            None | Some("Warn" | "") => Unknown::Warn,
            Some("Strict") => Unknown::Strict,
            Some("Ignore") => Unknown::Ignore,
            Some(other) => {
                let reason = format!("fieldValidation={other}: must be Strict, Warn or Ignore");
                return Err(Failure::bad_request(reason));
            }
        };
        Ok(Order {
            what,
            items: body::items(body)?,
            is_dry,
            unknown,
        })
    }
}

impl DeleteParameters {
    pub(super) fn order(&self, body: Value) -> Result<Order, Failure> {
        let ignores_missing = self.ignore_not_found.unwrap_or(false);
        let others = ChangeParameters {
            dry_run: self.dry_run.clone(),
            field_validation: self.field_validation.clone(),
        };
        others.order(What::Delete { ignores_missing }, body)
    }
}

/// The whole standalone state, as a `v1` List.
#[utoipa::path(get, path = "/v1/snapshot", tag = "objects", responses(
    (status = 200, body = Value, description = "a List; PUT takes it back"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn get_snapshot(State(api): State<Api>) -> Answer<Value> {
    let (version, items) = api.objects.snapshot();
    let metadata = json!({"resourceVersion": version.to_string()});
    Answer(json!({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items}))
}

/// Replaces the whole standalone state: what the body does not hold is deleted. All of it or nothing.
#[utoipa::path(put, path = "/v1/snapshot", tag = "objects", params(ChangeParameters), request_body = Value,
    responses((status = 200, body = Changes, description = "what was changed, or with dryRun would be"),
    (status = 202, body = Changes, description = "stored; not in the maps yet"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn put_snapshot(
    State(api): State<Api>,
    Checked(Parameters(parameters)): Checked<ChangeParameters>,
    Json(body): Json,
) -> Result<Response, Failure> {
    change(&api, parameters.order(What::Snapshot, body)?).await
}

/// Stores the objects of a list, new or in the place of what is there. All of it or nothing.
#[utoipa::path(post, path = "/v1/apply", tag = "objects", operation_id = "apply_objects", params(ChangeParameters), request_body = Value,
    responses((status = 200, body = Changes, description = "what was changed, or with dryRun would be"),
    (status = 202, body = Changes, description = "stored; not in the maps yet"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn apply(
    State(api): State<Api>,
    Checked(Parameters(parameters)): Checked<ChangeParameters>,
    Json(body): Json,
) -> Result<Response, Failure> {
    change(&api, parameters.order(What::Apply, body)?).await
}

/// Deletes the objects of a list, of which only kind, namespace and name are looked at. All of it or nothing.
#[utoipa::path(post, path = "/v1/delete", tag = "objects", operation_id = "delete_objects",
    params(DeleteParameters), request_body = Value,
    responses((status = 200, body = Changes, description = "what was changed, or with dryRun would be"),
    (status = 202, body = Changes, description = "stored; not in the maps yet"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn delete(
    State(api): State<Api>,
    Checked(Parameters(parameters)): Checked<DeleteParameters>,
    Json(body): Json,
) -> Result<Response, Failure> {
    change(&api, parameters.order(body)?).await
}

async fn change(api: &Api, order: Order) -> Result<Response, Failure> {
    let outcome = api.objects.write(order).await?;
    let code = match outcome.applied {
        Applied::NotYet(_) => StatusCode::ACCEPTED,
        Applied::Yes | Applied::Dry => StatusCode::OK,
    };
    Ok((code, Answer(changes(outcome))).into_response())
}

fn changes(outcome: Outcome) -> Changes {
    let names = |keys: Vec<ObjectKey>| keys.iter().map(ToString::to_string).collect();
    Changes {
        created: names(outcome.created),
        changed: names(outcome.changed),
        deleted: names(outcome.deleted),
        unchanged: outcome.unchanged,
        warnings: outcome.warnings,
        dry_run: outcome.applied == Applied::Dry,
        applied: outcome.applied == Applied::Yes,
        reason: match outcome.applied {
            Applied::NotYet(reason) => Some(reason),
            Applied::Yes | Applied::Dry => None,
        },
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(causes) => invalid(causes),
            Refusal::NotFound(keys) => not_found(&keys),
            Refusal::AlreadyExists(key) => {
                Self::conflict(format!("{key} is there already: replace it with PUT"))
                    .reason("AlreadyExists")
            }
            Refusal::Conflict(line) => Self::conflict(line),
            Refusal::NoRoom(line) => Self::new(StatusCode::INSUFFICIENT_STORAGE, line),
            Refusal::Disk(line) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, line),
            Refusal::Stopping => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping")
            }
        }
    }
}

fn invalid(causes: Vec<Cause>) -> Failure {
    let first = causes.first().map(|cause| cause.message.clone());
    let first = first.unwrap_or_default();
    let line = match causes.len() {
        1 => format!("nothing is changed: {first}"),
        count => format!("nothing is changed: {count} faults, of which the first: {first}"),
    };
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, line).causes(causes)
}

fn not_found(keys: &[ObjectKey]) -> Failure {
    let lines: Vec<String> = keys
        .iter()
        .map(|key| format!("{key} is not there"))
        .collect();
    let causes = lines.iter().map(|line| Cause {
        reason: "NotFound".to_owned(),
        message: line.clone(),
        field: String::new(),
    });
    let line = match lines.as_slice() {
        [line] => line.clone(),
        [first, ..] => format!(
            "nothing is changed: {} objects are not there: {first}",
            lines.len()
        ),
        [] => "nothing is there".to_owned(),
    };
    Failure::not_found(line).causes(causes.collect())
}
