//! What a change of the standalone store did, or would do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to `PUT /v1/snapshot`, `POST /v1/apply` and `POST /v1/delete`. Objects are named as
/// `Service default/web`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    pub created: Vec<String>,
    pub changed: Vec<String>,
    pub deleted: Vec<String>,
    /// How many were as they were to be.
    pub unchanged: usize,
    /// What is odd and does no harm, such as unknown fields; one line each.
    pub warnings: Vec<String>,
    /// It was only asked what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// The maps have it. If not, it is stored, and the maps will have it.
    pub applied: bool,
    /// Why the maps do not have it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer to `DELETE /v1/flows`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct Flushed {
    /// How many flows were dropped.
    pub removed: usize,
}
