//! Questions on their way to the task that owns the maps.

mod flows;

use serde::Serialize;
use tidegate_api::{
    BackendRow, DeviceRow, EndpointRow, FlowRow, Flushed, FrontendRow, List, ServiceDescription,
    ServiceRow, Status,
    explain::{ExplainRequest, Explanation},
};
use tokio::sync::{mpsc, oneshot};

pub(crate) use flows::{FlowFilter, Place};

/// What can be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Question {
    Services,
    Endpoints,
    Frontends,
    Backends,
    Flows {
        filter: Box<FlowFilter>,
        limit: usize,
    },
    FlushFlows(Box<FlowFilter>),
    Devices,
    Status,
    Describe {
        namespace: String,
        name: String,
    },
    Explain(Box<ExplainRequest>),
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
    Flushed(Flushed),
    Devices(List<DeviceRow>),
    Status(Box<Status>),
    /// `None`: there is no such Service.
    Described(Option<Box<ServiceDescription>>),
    Explained(Result<Box<Explanation>, Refusal>),
}

/// Why a packet is not explained: one sentence.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) enum Refusal {
    /// There is no such packet.
    Malformed(String),
    /// There is no such device.
    Missing(String),
    /// The maps cannot be read.
    Failed(String),
}

/// A question on its way to the task that owns the maps. The error is one sentence.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) question: Question,
    pub(crate) reply: oneshot::Sender<Result<Answer, String>>,
}

/// How the API reaches that task.
pub(crate) type Asking = mpsc::Sender<Query>;
