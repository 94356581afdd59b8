//! `POST /v1/explain`: a packet, and what the data path would do with it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A packet that enters this node, or a call of one of its processes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExplainRequest {
    /// Its sender; none for a process of this host.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "10.244.0.5:40000")]
    pub from: Option<SocketAddr>,
    /// Its receiver.
    #[schema(value_type = String, example = "10.96.0.10:80")]
    pub to: SocketAddr,
    /// The transport protocol.
    pub proto: ExplainProto,
    /// At which device it enters; none: that of the pod which has the sender's address, else the uplink.
    #[serde(default)]
    pub device: Option<String>,
    /// TCP flags: `syn`, `ack`, `fin`, `rst`, `psh`, `urg`; none: `syn`.
    #[serde(default)]
    pub flags: Vec<TcpFlag>,
    /// Bytes from the IP header on; none: just the headers.
    #[serde(default)]
    pub length: Option<u16>,
    /// A process of this host dials, instead of a packet entering.
    #[serde(default)]
    pub from_host: bool,
}

/// The protocols that can be explained.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExplainProto {
    /// A segment.
    Tcp,
    /// A datagram.
    Udp,
    /// An association's first packet.
    Sctp,
    /// An echo request.
    Icmp,
}

/// A flag of a TCP segment.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TcpFlag {
    Syn,
    Ack,
    Fin,
    Rst,
    Psh,
    Urg,
}

/// What the data path would do.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The packet in one line.
    pub packet: String,
    /// Where it enters; none for a process of this host.
    #[schema(required)]
    pub device: Option<ExplainedDevice>,
    /// In the order in which the data path takes them.
    pub steps: Vec<ExplainedStep>,
    /// The service port that it is for.
    #[schema(required)]
    pub service: Option<ExplainedService>,
    /// The backend that it gets.
    #[schema(required)]
    pub backend: Option<ExplainedBackend>,
    /// Addresses and ports as it enters.
    #[schema(required)]
    pub before: Option<ExplainedTuple>,
    /// Addresses and ports as it goes on, or those of the answer.
    #[schema(required)]
    pub after: Option<ExplainedTuple>,
    /// Its source is replaced.
    pub masqueraded: bool,
    /// The way on.
    pub door: ExplainedDoor,
    pub verdict: ExplainedVerdict,
    /// What the loaded program says.
    pub confirmation: ExplainedConfirmation,
    /// What to know beside the steps, one line each.
    pub notes: Vec<String>,
}

/// A device.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedDevice {
    pub name: String,
    pub index: u32,
    /// "uplink", "pod" or "overlay".
    pub role: String,
    pub hooks: String,
}

/// One step.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedStep {
    /// The program that takes it: "xdp", "tc" or "socket".
    pub stage: String,
    /// "device", "packet", "flow", "frontend", "firewall", "policy", "affinity", "slot", "backend", "source",
    /// "record", "rewrite", "answer" or "door".
    pub step: String,
    /// What was found, and what follows from it.
    pub text: String,
}

/// A service port.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedService {
    pub id: u32,
    pub namespace: String,
    pub name: String,
    /// Empty: the port has no name.
    pub port_name: String,
    /// As `get frontends` shows it; empty for a known flow, which asks for no frontend.
    pub kind: String,
}

/// A backend.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedBackend {
    pub id: u32,
    #[schema(value_type = String)]
    pub address: SocketAddr,
    /// The node that its endpoint names.
    #[schema(required)]
    pub node_name: Option<String>,
    /// It is on this node.
    pub node_local: bool,
}

/// Addresses and ports.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedTuple {
    #[schema(value_type = String)]
    pub from: SocketAddr,
    #[schema(value_type = String)]
    pub to: SocketAddr,
}

/// The way on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedDoor {
    /// "stack", "drop", "back", "transmit", "peer", "neighbour" or "socket".
    pub kind: String,
    /// The device that it leads to, or behind which it leads.
    #[schema(required)]
    pub device: Option<String>,
}

/// How the journey ends.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedVerdict {
    /// "pass", "forward", "reject" or "drop".
    pub verdict: String,
    /// The reason's label, as in `status` and in metrics.
    pub reason: String,
    pub sentence: String,
}

/// Whether the loaded program agrees.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedConfirmation {
    /// "confirmed", "notTried" or "differs".
    pub outcome: String,
    /// One line: by which program, or why not, or what is different.
    pub text: String,
}
