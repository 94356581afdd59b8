//! Query parameters whose faults are told as every other refusal.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// Query parameters; unknown ones are refused where the type says so.
#[derive(Debug)]
pub(super) struct Checked<T>(pub(super) Query<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Checked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::from_request_parts(parts, state).await {
            Ok(query) => Ok(Self(query)),
            Err(rejection) => Err(Failure::bad_request(format!(
                "{}: {}",
                parts.uri.path(),
                rejection.body_text()
            ))),
        }
    }
}
