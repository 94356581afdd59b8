//! A program of somebody else's drives a node through the local API alone, as a CNI agent or a controller
//! of its own would.

mod crash;
mod disk;
mod drive;
mod flush;
#[path = "../cni/http.rs"]
mod http;
#[path = "../cni/pod.rs"]
#[expect(dead_code, reason = "what only plugins need")]
mod pod;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Svc, World};

/// The agent's socket.
pub(crate) fn socket(world: &World) -> Result<PathBuf> {
    Ok(world.scene.dir("nodea/run")?.join("api.sock"))
}

/// A request that must be answered with this status.
pub(crate) fn ask(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<&Value>,
    status: u16,
) -> Result<Value> {
    let (code, answer) =
        http::ask(socket, method, path, body).with_context(|| format!("{method} {path}"))?;
    ensure!(
        code == status,
        "{method} {path}: {code}, not {status}: {answer}"
    );
    Ok(answer)
}

/// A `v1` List.
pub(crate) fn list(items: Vec<Value>) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

/// A Service with its slices, for a namespace's own path.
pub(crate) fn objects(svc: &Svc, endpoints: &[Ep]) -> Vec<Value> {
    svc.objects(endpoints)
}
