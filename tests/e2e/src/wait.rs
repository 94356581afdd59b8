//! Waiting for what comes soon, without saying how soon.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Longer than a busy machine takes; a test that passes never waits for its end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tries until it succeeds, and fails with the last failure.
pub fn soon<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}
