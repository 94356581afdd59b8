//! Endpoints as tests write them, with all their conditions.

use std::net::IpAddr;

use serde_json::{Value, json};
use tidegate_rig::Pod;

use crate::setup::TARGET;

/// An endpoint of both families.
#[derive(Clone, Debug)]
pub struct Ep {
    addresses: [IpAddr; 2],
    node: String,
    conditions: Value,
    port: u16,
}

impl Ep {
    /// A pod, ready.
    pub fn of(pod: &Pod) -> Self {
        Self::at(pod.addresses(), pod.node)
    }

    /// Any pair of addresses on a node, ready.
    pub fn at(addresses: [IpAddr; 2], node: &str) -> Self {
        Self {
            addresses,
            node: node.to_owned(),
            conditions: json!({ "ready": true, "serving": true, "terminating": false }),
            port: TARGET,
        }
    }

    /// Pods, ready.
    pub fn all<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Vec<Self> {
        pods.into_iter().map(Self::of).collect()
    }

    /// With other conditions, as the slice has them; `null` for those that it does not have.
    pub fn conditions(mut self, ready: Value, serving: Value, terminating: Value) -> Self {
        self.conditions = json!({ "ready": ready, "serving": serving, "terminating": terminating });
        self
    }

    /// On its way out and still serving.
    pub fn terminating(self) -> Self {
        self.conditions(json!(false), json!(true), json!(true))
    }

    /// Not ready yet.
    pub fn unready(self) -> Self {
        self.conditions(json!(false), json!(false), json!(false))
    }

    /// Listening elsewhere.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Where it listens.
    pub(crate) fn target(&self) -> u16 {
        self.port
    }

    /// As a slice of a family has it: 0 is IPv4, 1 is IPv6.
    pub(crate) fn json(&self, family: usize) -> Value {
        json!({
            "addresses": [self.addresses[family]],
            "nodeName": self.node,
            "conditions": self.conditions,
        })
    }
}
