//! What the local API answers, row by row; the command line reads the same types back.
//!
//! Field names are part of the contract with scripts: camelCase, addresses as strings.

pub(crate) mod rows;
mod status;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

pub(crate) use rows::{BackendRow, DeviceRow, EndpointRow, FlowRow, FrontendRow, ServiceRow};
pub(crate) use status::{CounterRow, MapRow, NodeRow, Status};

/// A list, shaped as Kubernetes shapes lists.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
}

/// What can be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Question {
    Services,
    Endpoints,
    Frontends,
    Backends,
    Flows { limit: usize },
    Devices,
    Status,
}

/// What is answered; on the wire only the content shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Services(List<ServiceRow>),
    Endpoints(List<EndpointRow>),
    Frontends(List<FrontendRow>),
    Backends(List<BackendRow>),
    Flows(List<FlowRow>),
    Devices(List<DeviceRow>),
    Status(Box<Status>),
}

/// A question on its way to the task that owns the maps. The error is one sentence.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) question: Question,
    pub(crate) reply: oneshot::Sender<Result<Answer, String>>,
}

/// How the API reaches that task.
pub(crate) type Asking = mpsc::Sender<Query>;
