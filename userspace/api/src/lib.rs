//! What travels over the agent's Unix socket, and a client for it.
//!
//! The agent makes these values, the command line and the CNI plugin read them back. Field names are part
//! of the contract with scripts: camelCase, addresses as strings.
#![forbid(unsafe_code)]

mod change;
pub mod client;
mod describe;
pub mod device;
mod event;
mod failure;
pub mod explain;
pub mod rows;
mod status;
mod traffic;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use change::{Changes, Flushed};
pub use describe::{
    EndpointDescription, FrontendDescription, PortDescription, ServiceDescription, TrafficCount,
};
pub use device::{Declaration, DeviceOwner, DeviceRole};
pub use event::{EventLine, EventRow};
pub use failure::{Cause, Details, StatusError};
pub use rows::{BackendRow, DeviceRow, EndpointRow, FlowRow, FrontendRow, ServiceRow};
pub use status::{CounterRow, MapRow, NodeRow, SourceRow, Status};
pub use traffic::{BackendTraffic, ServiceTraffic, TrafficReport};

/// A list, shaped as Kubernetes shapes lists.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct List<T> {
    /// The entries.
    pub items: Vec<T>,
}
