//! An agent that remembers what it is told, and links that are as a test says.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    extract::{Path as Segment, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tidegate_api::{Declaration, DeviceRow};
use tokio::net::UnixListener;

use super::row;
use crate::{Code, Failure, HostDevice, Invocation, Links, Outcome};

#[derive(Debug, Default)]
struct Held {
    devices: BTreeMap<String, (Declaration, DeviceRow)>,
    refusal: Option<(u16, String)>,
    is_out_of_sync: bool,
    babbles: bool,
    attaches_nothing: bool,
}

type Shared = Arc<Mutex<Held>>;

#[derive(Debug)]
pub(super) struct FakeAgent {
    held: Shared,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl FakeAgent {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("api.sock");
        let held = Shared::default();
        let router = Router::new()
            .route("/v1/devices", get(list))
            .route("/v1/devices/{name}", get(one).put(declare).delete(forget))
            .route("/healthz", get(healthz))
            .with_state(Arc::clone(&held));
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            held,
            socket,
            _dir: dir,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn declared(&self) -> BTreeMap<String, Declaration> {
        let held = self.held();
        let devices = held.devices.iter();
        devices
            .map(|(name, (declaration, _))| (name.clone(), declaration.clone()))
            .collect()
    }

    pub(super) fn declare_by_hand(&self, name: &str) {
        let device = (Declaration::default(), row(name));
        self.held().devices.insert(name.to_owned(), device);
    }

    pub(super) fn detach(&self, name: &str) {
        let mut held = self.held();
        let (_, row) = held.devices.get_mut(name).unwrap();
        row.hooks.clear();
        row.why = "out of memory".to_owned();
    }

    pub(super) fn declare_detached(&self) {
        self.held().attaches_nothing = true;
    }

    pub(super) fn refuse(&self, status: u16, reason: &str) {
        self.held().refusal = Some((status, reason.to_owned()));
    }

    pub(super) fn unsync(&self) {
        self.held().is_out_of_sync = true;
    }

    pub(super) fn babble(&self) {
        self.held().babbles = true;
    }
}

fn refusal(status: u16, reason: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, Json(json!({ "kind": "Status", "message": reason }))).into_response()
}

async fn list(State(held): State<Shared>) -> Response {
    let held = held.lock().unwrap();
    let rows: Vec<&DeviceRow> = held.devices.values().map(|(_, row)| row).collect();
    Json(json!({ "items": rows })).into_response()
}

async fn one(State(held): State<Shared>, Segment(name): Segment<String>) -> Response {
    match held.lock().unwrap().devices.get(&name) {
        Some((_, row)) => Json(row).into_response(),
        None => refusal(404, "no such device"),
    }
}

async fn declare(
    State(held): State<Shared>,
    Segment(name): Segment<String>,
    Query(parameters): Query<HashMap<String, u64>>,
    Json(declaration): Json<Declaration>,
) -> Response {
    assert_eq!(parameters["timeout"], 10);
    let mut held = held.lock().unwrap();
    if held.babbles {
        return "what?".into_response();
    }
    if let Some((status, reason)) = &held.refusal {
        return refusal(*status, reason);
    }
    let mut row = DeviceRow {
        addresses: declaration.addresses.clone(),
        owner: declaration.owner.clone(),
        ..row(&name)
    };
    if held.attaches_nothing {
        row.hooks.clear();
        row.why = "out of memory".to_owned();
    }
    let answer = Json(&row).into_response();
    held.devices.insert(name, (declaration, row));
    answer
}

async fn forget(
    State(held): State<Shared>,
    Segment(name): Segment<String>,
    Query(parameters): Query<HashMap<String, String>>,
) -> Response {
    let mut held = held.lock().unwrap();
    let Some((declaration, _)) = held.devices.get(&name) else {
        return refusal(404, "no such device");
    };
    let owner = declaration.owner.as_ref().map(|owner| &owner.container_id);
    if owner != parameters.get("containerId") {
        return refusal(409, "another container's");
    }
    held.devices.remove(&name);
    Json(json!({ "kind": "Status", "status": "Success" })).into_response()
}

async fn healthz(State(held): State<Shared>) -> Response {
    if held.lock().unwrap().is_out_of_sync {
        return refusal(503, "the maps do not match the sources");
    }
    Json(json!({ "synced": true })).into_response()
}

/// Every pod's host end has this name.
pub(super) struct Pods(pub(super) String);

impl Links for Pods {
    fn host_device(&self, _: &Path, _: &str) -> Result<HostDevice, Failure> {
        Ok(HostDevice {
            name: self.0.clone(),
            pod_mac: Some("02:00:00:00:00:07".to_owned()),
        })
    }
}

/// Pods have no devices.
pub(super) struct NoPods;

impl Links for NoPods {
    fn host_device(&self, _: &Path, ifname: &str) -> Result<HostDevice, Failure> {
        let message = format!("there is no device {ifname}");
        Err(Failure::new(Code::UnknownContainer, message))
    }
}

/// A configuration as the runtime writes it, after the plugin `bridge`.
pub(super) fn conf(version: &str) -> Value {
    json!({
        "cniVersion": version,
        "name": "pods",
        "type": "tidegate",
        "prevResult": {
            "cniVersion": version,
            "interfaces": [
                { "name": "cni0", "mac": "02:00:00:00:00:01" },
                { "name": "veth7", "mac": "02:00:00:00:00:02" },
                { "name": "eth0", "mac": "02:00:00:00:00:07", "sandbox": "/proc/self/ns/net" },
            ],
            "ips": [
                { "address": "10.244.0.7/24", "gateway": "10.244.0.1", "interface": 2 },
                { "address": "fd00:244::7/64", "gateway": "fd00:244::1", "interface": 2 },
            ],
            "routes": [{ "dst": "0.0.0.0/0" }],
        },
    })
}

pub(super) async fn run(agent: &FakeAgent, command: &str, config: &Value) -> Outcome {
    run_with(agent, command, config, &[]).await
}

/// With some variables set otherwise.
pub(super) async fn run_with(
    agent: &FakeAgent,
    command: &str,
    config: &Value,
    variables: &[(&str, &str)],
) -> Outcome {
    run_in(agent, command, config, variables, &Pods("veth7".to_owned())).await
}

pub(super) async fn run_in(
    agent: &FakeAgent,
    command: &str,
    config: &Value,
    variables: &[(&str, &str)],
    links: &impl Links,
) -> Outcome {
    let input = config.to_string();
    run_links(agent, command, input.as_bytes(), variables, links).await
}

pub(super) async fn run_links(
    agent: &FakeAgent,
    command: &str,
    input: &[u8],
    variables: &[(&str, &str)],
    links: &impl Links,
) -> Outcome {
    invoke(agent, command, input, variables, None, links).await
}

pub(super) async fn run_raw(
    agent: &FakeAgent,
    command: &str,
    input: &[u8],
    variables: &[(&str, &str)],
    api: Option<&Path>,
) -> Outcome {
    let pods = Pods("veth7".to_owned());
    invoke(agent, command, input, variables, api, &pods).await
}

async fn invoke(
    agent: &FakeAgent,
    command: &str,
    input: &[u8],
    variables: &[(&str, &str)],
    api: Option<&Path>,
    links: &impl Links,
) -> Outcome {
    let mut all = HashMap::from([
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/proc/self/ns/net"),
        ("CNI_IFNAME", "eth0"),
        (
            "CNI_ARGS",
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1",
        ),
        ("CNI_PATH", "/opt/cni/bin"),
    ]);
    all.extend(variables.iter().copied());
    let invocation = Invocation {
        environment: |name: &str| all.get(name).map(|&value| value.to_owned()),
        input,
        api,
        default_api: agent.socket(),
    };
    crate::run(invocation, links).await
}
