//! One test for each rule, on manifests as users write them.

mod addresses;
mod balancer;
mod changes;
mod conflicts;
mod families;
mod ports;
mod settled;

use super::testing::{Cluster, block, pool};

/// A port, and nothing else said.
const PLAIN: &str = "ports: [{port: 80}]";
const NODE_PORT: &str = "type: NodePort, ports: [{port: 80}]";
const BALANCER: &str = "type: LoadBalancer, ports: [{port: 80}]";
const LOCAL: &str = "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]";
