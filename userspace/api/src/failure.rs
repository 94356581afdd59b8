//! What the agent answers when it refuses, shaped as Kubernetes' `Status`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A refusal.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusError {
    /// `Status`.
    pub kind: String,
    /// `v1`.
    pub api_version: String,
    /// `Failure`.
    pub status: String,
    /// One sentence: what is wrong, and what to do.
    pub message: String,
    /// One word for programs, such as `NotFound`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Everything that is wrong, one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// The HTTP status.
    pub code: u16,
}

/// More about a refusal.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct Details {
    /// One for each thing that is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct Cause {
    /// One word for programs, such as `FieldValueInvalid`.
    pub reason: String,
    /// The object, where it stands in the body, and what is wrong.
    pub message: String,
    /// The path of the field, such as `items[3].spec.ports[0].port`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl StatusError {
    /// A refusal with this HTTP status.
    pub fn new(code: u16, reason: &str, message: String) -> Self {
        Self {
            kind: "Status".to_owned(),
            api_version: "v1".to_owned(),
            status: "Failure".to_owned(),
            message,
            reason: reason.to_owned(),
            details: None,
            code,
        }
    }
}
