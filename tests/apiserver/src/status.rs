//! Errors as the real server words them.

use serde_json::{Value, json};

/// A `Status` object.
pub(crate) fn status(code: u16, message: &str, retry_after: Option<u32>) -> Value {
    let reason = match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        410 => "Expired",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    };
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    if let Some(seconds) = retry_after {
        status["details"] = json!({"retryAfterSeconds": seconds});
    }
    status
}

/// What is said of a version from before the last compaction.
pub(crate) fn expired(asked: u64, oldest: u64) -> Value {
    status(
        410,
        &format!("too old resource version: {asked} ({oldest})"),
        None,
    )
}
