//! The agent at its socket, asked with patience that ends.

use std::{
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

use hyper::Method;
use serde_json::Value;
use tidegate_api::{
    Declaration, DeviceRow, List,
    client::{self, Error},
};

use crate::failure::{Code, Failure};

/// What an answer may take longer than the agent was told to wait.
const MARGIN: Duration = Duration::from_secs(5);

pub(crate) struct Agent {
    socket: PathBuf,
    timeout: Duration,
}

impl Agent {
    pub(crate) fn new(socket: &Path, timeout: Duration) -> Self {
        Self {
            socket: socket.to_owned(),
            timeout,
        }
    }

    /// Declares a device; the row is that of an attached one.
    pub(crate) async fn declare(
        &self,
        name: &str,
        declaration: &Declaration,
    ) -> Result<DeviceRow, Failure> {
        let path = format!("{}?timeout={}", path(name), self.timeout.as_secs());
        let asked = client::send(&self.socket, Method::PUT, &path, declaration);
        self.patiently(asked).await
    }

    /// Forgets a device, if this container still has it; one that is not known is as good as forgotten.
    pub(crate) async fn forget(&self, name: &str, container_id: &str) -> Result<(), Failure> {
        let path = format!("{}?containerId={container_id}", path(name));
        let asked = client::call::<Value>(&self.socket, Method::DELETE, &path);
        // Conflict: the name has passed to another container meanwhile.
        let forgotten = |status: u16| status == 404 || status == 409;
        self.patiently(async {
            match asked.await {
                Ok(_) => Ok(()),
                Err(Error::Refused { status, .. }) if forgotten(status) => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// All devices.
    pub(crate) async fn devices(&self) -> Result<Vec<DeviceRow>, Failure> {
        let asked = client::get::<List<DeviceRow>>(&self.socket, "/v1/devices");
        Ok(self.patiently(asked).await?.items)
    }

    /// One device, if the agent knows it.
    pub(crate) async fn device(&self, name: &str) -> Result<Option<DeviceRow>, Failure> {
        let path = path(name);
        let asked = client::get(&self.socket, &path);
        self.patiently(async {
            match asked.await {
                Ok(row) => Ok(Some(row)),
                Err(Error::Refused { status: 404, .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Whether the maps match the sources.
    pub(crate) async fn is_ready(&self) -> Result<bool, Failure> {
        let asked = client::get::<Value>(&self.socket, "/healthz");
        self.patiently(async {
            match asked.await {
                Ok(_) => Ok(true),
                Err(Error::Refused { status: 503, .. }) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn patiently<T>(
        &self,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        let shown = self.socket.display();
        match tokio::time::timeout(self.timeout + MARGIN, asked).await {
            Ok(answer) => answer.map_err(|error| self.failure(&error)),
            Err(_elapsed) => Err(Failure::new(
                Code::TryAgainLater,
                format!("the agent at {shown} does not answer"),
            )),
        }
    }

    fn failure(&self, error: &Error) -> Failure {
        let shown = self.socket.display();
        match error {
            Error::NoAgent(_) => Failure::new(
                Code::TryAgainLater,
                format!(
                    "no agent at {shown}: start `tidegate run` on this node, or name its socket with the key api"
                ),
            ),
            Error::Refused { status, reason, .. } => {
                let code = match status {
                    503 | 504 => Code::TryAgainLater,
                    500 => Code::NotAttached,
                    _ => Code::Refused,
                };
                Failure::new(code, reason.as_str())
            }
            Error::Failed(error) => Failure::new(Code::Io, format!("{error:#}")),
        }
    }
}

/// Names of devices may have nearly every character.
fn path(name: &str) -> String {
    let mut path = "/v1/devices/".to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(byte.into());
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
