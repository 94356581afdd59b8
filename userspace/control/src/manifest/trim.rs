//! Pods and Nodes hold far more than is used here: the rest goes before it is given a type.
//!
//! A cluster has many Pods, and what is left of one is small. And whoever writes `cpu: 4` where the
//! type wants a string is right, the API server takes it too: such fields must not cost the Pod.

use serde_json::{Map, Value};

const METADATA: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "labels",
    "creationTimestamp",
    "deletionTimestamp",
];

/// Leaves what makes a Pod an endpoint: where it runs, its named ports, its addresses and conditions.
pub(super) fn pod(value: &mut Value) {
    keep(value, &["apiVersion", "kind", "metadata", "spec", "status"]);
    if let Some(metadata) = value.get_mut("metadata") {
        keep(metadata, METADATA);
    }
    if let Some(spec) = value.get_mut("spec") {
        let fields = [
            "nodeName",
            "hostname",
            "subdomain",
            "hostNetwork",
            "containers",
            "initContainers",
        ];
        keep(spec, &fields);
        for list in ["containers", "initContainers"] {
            let containers = spec.get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                keep(container, &["name", "ports", "restartPolicy"]);
            }
        }
    }
    if let Some(status) = value.get_mut("status") {
        keep(status, &["phase", "conditions", "podIP", "podIPs"]);
        conditions(status);
    }
}

/// Leaves what the topology and the health of a Node need.
pub(super) fn node(value: &mut Value) {
    keep(value, &["apiVersion", "kind", "metadata", "spec", "status"]);
    if let Some(metadata) = value.get_mut("metadata") {
        keep(metadata, METADATA);
    }
    if let Some(spec) = value.get_mut("spec") {
        keep(spec, &["podCIDR", "podCIDRs", "taints", "unschedulable"]);
    }
    if let Some(status) = value.get_mut("status") {
        keep(status, &["addresses", "conditions", "allocatable"]);
        conditions(status);
        let quantities = status.get_mut("allocatable").and_then(Value::as_object_mut);
        for quantity in quantities.into_iter().flat_map(Map::values_mut) {
            if quantity.is_number() {
                *quantity = Value::String(quantity.to_string());
            }
        }
    }
}

/// A condition is a word and a word; when it last changed is nobody's business here.
fn conditions(status: &mut Value) {
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        keep(condition, &["type", "status"]);
    }
}

/// What is not an object is left alone: its type is judged later.
fn keep(value: &mut Value, fields: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|field, _| fields.contains(&field.as_str()));
    }
}
