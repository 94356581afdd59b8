//! Request bodies: JSON, not too much of it, and what is wrong with it in one line.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use serde_json::Value;

use super::{failure::Failure, patience::Broken};
use crate::objects::Item;

/// The most that is read of a body.
const LIMIT: usize = 64 << 20;

/// A body of JSON.
#[derive(Debug)]
pub(super) struct Json(pub(super) Value);

impl<S: Sync> FromRequest<S> for Json {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let (head, body) = request.into_parts();
        check_type(&head.headers)?;
        read(body).await.map(Self)
    }
}

async fn read(body: Body) -> Result<Value, Failure> {
    let bytes = to_bytes(body, LIMIT).await.map_err(|error| {
        if let Some(slow @ Broken::Slow { .. }) = cause(&error) {
            Failure::new(StatusCode::REQUEST_TIMEOUT, slow.to_string())
        } else if cause::<http_body_util::LengthLimitError>(&error).is_some() {
            let reason = format!(
                "the body is larger than {} MiB: send it in parts",
                LIMIT >> 20
            );
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
        } else {
            Failure::bad_request(format!("the body cannot be read: {error}"))
        }
    })?;
    if bytes.trim_ascii().is_empty() {
        return Err(Failure::bad_request("the body is empty: send JSON"));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::bad_request(format!("the body is not JSON: {error}")))
}

/// The error of this kind among the causes of another.
fn cause<E: std::error::Error + 'static>(error: &axum::Error) -> Option<&E> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// `application/json`, another JSON such as `application/merge+json`, or nothing said.
fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(said) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let said = said.to_str().unwrap_or("?");
    let kind = said
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    let reason = format!("content-type {said} is not understood: send application/json");
    Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))
}

/// The objects in a body: one, an array of them, or a list as Kubernetes has them; lists may be in an array.
pub(super) fn items(body: Value) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    collect(String::new(), body, &mut items)?;
    Ok(items)
}

fn collect(path: String, value: Value, items: &mut Vec<Item>) -> Result<(), Failure> {
    let mut value = match value {
        Value::Array(values) => {
            for (index, value) in values.into_iter().enumerate() {
                collect(format!("{path}[{index}]"), value, items)?;
            }
            return Ok(());
        }
        Value::Object(fields) => fields,
        _ => {
            let place = if path.is_empty() { "the body" } else { &path };
            let reason = "must be an object, a list of objects or an array of them";
            return Err(Failure::bad_request(format!("{place} {reason}")));
        }
    };
    let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let (version, kind) = (text("apiVersion"), text("kind"));
    let Some(of) = kind.as_deref().and_then(|kind| kind.strip_suffix("List")) else {
        let value = Value::Object(value);
        items.push(Item { path, value });
        return Ok(());
    };
    let path = if path.is_empty() {
        "items".to_owned()
    } else {
        format!("{path}.items")
    };
    let list = match value.remove("items") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(list)) => list,
        Some(_) => {
            return Err(Failure::bad_request(format!(
                "{path} must be an array of objects"
            )));
        }
    };
    for (index, mut item) in list.into_iter().enumerate() {
        // In a list of one kind the items' own kind is left out: it is the list's.
        if let (false, Some(fields)) = (of.is_empty(), item.as_object_mut()) {
            fields.entry("kind").or_insert_with(|| of.into());
            if let Some(version) = &version {
                let version = || version.clone().into();
                fields.entry("apiVersion").or_insert_with(version);
            }
        }
        collect(format!("{path}[{index}]"), item, items)?;
    }
    Ok(())
}
