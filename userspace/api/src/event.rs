//! One line of the answer to `GET /v1/events`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A line: an event, or how many were lost here.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EventLine {
    /// This listener was too slow: so many events that it wanted are missing at this place.
    Lost {
        lost: u64,
    },
    Event(Box<EventRow>),
}

/// A packet that was rejected or dropped, or that opened a flow.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventRow {
    /// Wall clock, RFC 3339, microseconds.
    pub time: String,
    /// `new`, `reject` or `drop`.
    pub kind: String,
    /// The reason's label, as metrics have it.
    pub reason: String,
    /// The reason in one sentence.
    pub sentence: String,
    /// Nothing: of a packet that was not understood so far the addresses are not known either.
    pub proto: Option<String>,
    #[schema(value_type = Option<String>)]
    pub client: Option<SocketAddr>,
    #[schema(value_type = Option<String>)]
    pub frontend: Option<SocketAddr>,
    /// New flows have one.
    #[schema(value_type = Option<String>)]
    pub backend: Option<SocketAddr>,
    /// With which source the backend sees the client, where that is another one.
    #[schema(value_type = Option<String>)]
    pub seen_as: Option<SocketAddr>,
    /// Nothing: no Service, or it was not got so far.
    pub namespace: Option<String>,
    pub service: Option<String>,
    /// Empty: the port has no name.
    pub port_name: Option<String>,
    /// As clients dial it.
    pub port: Option<u16>,
    /// Where the packet entered; nothing: a socket of this host.
    pub device: Option<String>,
    /// Length of the frame; 0: a socket.
    pub bytes: u32,
}
