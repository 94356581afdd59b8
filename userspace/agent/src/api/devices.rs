//! Devices: declared by whoever makes them, as CNI plugins do; answered when packets meet the data path.

#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use tidegate_api::{Declaration, DeviceRole, DeviceRow, StatusError, device::name_fault};
use tidegate_control::address;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, body, failure::Failure, parameters::Checked};
use crate::devices::{
    declared::{Refusal, View},
    mac,
};

/// How long is waited for a device, if nobody says.
const PATIENCE: u64 = 10;
const PATIENCE_MOST: u64 = 300;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(one, declare, forget))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Waiting {
    /// Seconds to wait until the device is attached, at most 300; 10 unless said otherwise. 0: do not wait.
    timeout: Option<u64>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Condition {
    /// Only if the device still is this container's.
    container_id: Option<String>,
}

/// One device, whether it was declared or matches a glob.
#[utoipa::path(get, path = "/v1/devices/{name}", tag = "devices", operation_id = "get_device", params(("name" = String, Path)), responses(
    (status = 200, body = DeviceRow, description = "attached, declared, or both"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn one(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<DeviceRow>, Failure> {
    let view = api.devices.view();
    let row = row(&view.borrow(), &name).cloned();
    row.map(Json).ok_or_else(|| {
        Failure::not_found(format!(
            "device {name}: neither attached nor declared; PUT it here to have it attached"
        ))
    })
}

/// Declares a device, which need not match a glob, and waits until it exists and is attached.
///
/// The declaration stands, whatever the answer: it is remembered over a restart of the agent, and the device is
/// attached when it appears.
#[utoipa::path(put, path = "/v1/devices/{name}", tag = "devices", operation_id = "declare_device", params(("name" = String, Path), Waiting),
    request_body = Declaration, responses(
    (status = 200, body = DeviceRow, description = "attached, and its addresses are in the maps"),
    (status = 202, body = DeviceRow, description = "declared, and nobody waited"),
    (status = 409, body = StatusError, description = "the device has another role by the agent's flags"),
    (status = 500, body = StatusError, description = "it cannot be attached"),
    (status = 504, body = StatusError, description = "it did not appear in time"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn declare(
    State(api): State<Api>,
    Path(name): Path<String>,
    Checked(Query(Waiting { timeout })): Checked<Waiting>,
    body::Json(body): body::Json,
) -> Result<Response, Failure> {
    let timeout = timeout.unwrap_or(PATIENCE);
    if timeout > PATIENCE_MOST {
        return Err(refused(&format!(
            "timeout: {timeout} is more than {PATIENCE_MOST}"
        )));
    }
    let declaration = Declaration::deserialize(body)
        .map_err(|error| refused(&format!("device {name}: {error}")))?;
    check(&name, &declaration)?;
    let (role, addresses) = (declaration.role, declaration.addresses.len());
    let revision = api.devices.declare(&name, declaration).await;
    let revision = revision.map_err(|refusal| failure(&name, refusal))?;
    let mut view = api.devices.view();
    if timeout == 0 {
        let row = row(&view.borrow(), &name)
            .cloned()
            .unwrap_or_else(|| DeviceRow {
                name: name.clone(),
                role: role.name().to_owned(),
                declared: true,
                ..DeviceRow::default()
            });
        return Ok((StatusCode::ACCEPTED, Json(row)).into_response());
    }
    let settled = view.wait_for(|view| outcome(view, revision, &name, role, addresses).is_some());
    let settled = tokio::time::timeout(Duration::from_secs(timeout), settled).await;
    let settled = match settled {
        Ok(Ok(view)) => outcome(&view, revision, &name, role, addresses),
        Ok(Err(_)) | Err(_) => None,
    };
    match settled {
        Some(result) => Ok(Json(result?).into_response()),
        None => Err(late(&api.devices.view().borrow(), &name, timeout)),
    }
}

/// Forgets a declared device, and detaches it unless it matches a glob.
#[utoipa::path(delete, path = "/v1/devices/{name}", tag = "devices", operation_id = "forget_device", params(("name" = String, Path), Condition),
    responses((status = 200, body = StatusError, description = "forgotten"),
    (status = 404, body = StatusError, description = "it was not declared"),
    (status = 409, body = StatusError, description = "it is another container's"),
    (status = "default", body = StatusError, description = super::failure::REFUSED)))]
async fn forget(
    State(api): State<Api>,
    Path(name): Path<String>,
    Checked(Query(Condition { container_id })): Checked<Condition>,
) -> Result<Response, Failure> {
    let forgotten = api.devices.forget(&name, container_id.as_deref());
    let revision = forgotten.await.map_err(|refusal| failure(&name, refusal))?;
    let mut view = api.devices.view();
    let done = view.wait_for(|view| view.revision >= revision);
    let done = tokio::time::timeout(Duration::from_secs(PATIENCE), done).await;
    if !matches!(done, Ok(Ok(_))) {
        let message =
            format!("device {name}: forgotten, and the agent is too busy to detach it yet");
        return Err(Failure::new(StatusCode::GATEWAY_TIMEOUT, message));
    }
    let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Success", "code": 200 });
    Ok(Json(body).into_response())
}

/// Everything that can be seen of a declaration without the kernel.
fn check(name: &str, declaration: &Declaration) -> Result<(), Failure> {
    let wrong = |what: String| Err(refused(&format!("device {name}: {what}")));
    if let Some(fault) = name_fault(name) {
        return Err(refused(&format!(
            "{name:?} is no name of a device: {fault}"
        )));
    }
    if name == "lo" {
        return wrong(
            "the loopback is not attached to: processes of the node are served by the socket hooks"
                .to_owned(),
        );
    }
    if declaration.role != DeviceRole::Pod && !declaration.addresses.is_empty() {
        return wrong(format!(
            "addresses: those of a pod are meant, and the role is {}",
            declaration.role
        ));
    }
    for (nth, ip) in declaration.addresses.iter().enumerate() {
        if let Some(fault) = address::special(*ip) {
            return wrong(format!(
                "addresses[{nth}]: {ip} is {fault} and cannot be a pod's"
            ));
        }
    }
    match &declaration.mac {
        Some(text) if mac(text).is_none() => wrong(format!(
            "mac: {text:?} is no Ethernet address such as 02:00:00:00:00:01"
        )),
        _ => Ok(()),
    }
}

/// What became of a declaration; `None`: not decided yet.
fn outcome(
    view: &View,
    revision: u64,
    name: &str,
    role: DeviceRole,
    addresses: usize,
) -> Option<Result<DeviceRow, Failure>> {
    let row = row(view, name).filter(|row| view.revision >= revision && row.index != 0)?;
    if row.role != role.name() {
        let message = format!(
            "device {name}: it is an {} by --uplink or by the default route, and cannot be a {role} as well",
            row.role
        );
        return Some(Err(Failure::conflict(message)));
    }
    if row.hooks.is_empty() {
        let message = format!("device {name} cannot be attached: {}", row.why);
        return Some(Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            message,
        )));
    }
    // The maps have them, unless a write has failed or another device has taken one over.
    (row.addresses.len() >= addresses).then(|| Ok(row.clone()))
}

fn late(view: &View, name: &str, timeout: u64) -> Failure {
    let message = match row(view, name) {
        Some(row) if row.index != 0 => format!(
            "device {name}: not all of its addresses could be taken into the maps within {timeout} s; \
             `tidegate status` says what is wrong, or another device was declared with one of them"
        ),
        _ => format!(
            "device {name} did not appear within {timeout} s in the agent's network namespace; \
             it stays declared, and is attached when it appears"
        ),
    };
    Failure::new(StatusCode::GATEWAY_TIMEOUT, message)
}

fn row<'a>(view: &'a View, name: &str) -> Option<&'a DeviceRow> {
    view.rows.iter().find(|row| row.name == name)
}

fn failure(name: &str, refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Unknown => Failure::not_found(format!("device {name} is not declared")),
        Refusal::AnothersNow(owner) => {
            Failure::conflict(format!("device {name} belongs to {owner} now"))
        }
        Refusal::TooMany => Failure::new(
            StatusCode::INSUFFICIENT_STORAGE,
            format!(
                "device {name}: as many devices as the data path can know are declared already"
            ),
        ),
        Refusal::Disk(error) => Failure::new(
            StatusCode::INSUFFICIENT_STORAGE,
            format!("device {name}: nothing is changed: {error:#}"),
        ),
    }
}

fn refused(message: &str) -> Failure {
    Failure::bad_request(message)
}
