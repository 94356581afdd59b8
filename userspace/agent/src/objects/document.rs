//! One object's JSON: what is filled in when it is stored, and how it is shown.

use std::fs;

use k8s_openapi::jiff::{Timestamp, Unit};
use serde_json::{Map, Value};
use tidegate_control::{Body, Kind, Object, ObjectKey};

use super::SOURCE;

/// The numbers that a Service may be given, in its `spec`.
const NUMBERS: [&str; 5] = [
    "clusterIP",
    "clusterIPs",
    "ipFamilies",
    "ipFamilyPolicy",
    "healthCheckNodePort",
];

/// Stored text; it was JSON when it was written, and its checksum says that it is the same.
pub(super) fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or(Value::Null)
}

pub(super) fn metadata<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get("metadata")?.get(field)?.as_str()
}

/// Leaves what the user says: the agent's own marks go, the namespace is written out.
pub(super) fn clean(object: &mut Value, key: &ObjectKey) {
    edit_metadata(object, |metadata| {
        for mark in ["resourceVersion", "managedFields", "selfLink"] {
            metadata.remove(mark);
        }
        for field in ["uid", "creationTimestamp"] {
            if metadata.get(field).is_some_and(Value::is_null) {
                metadata.remove(field);
            }
        }
        let annotations = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut);
        if let Some(annotations) = annotations {
            annotations.remove(SOURCE);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
        if key.kind.is_namespaced() {
            metadata.insert("namespace".to_owned(), key.namespace.clone().into());
        } else {
            metadata.remove("namespace");
        }
    });
}

/// Gives an object what it does not say: of the one before it, else new.
pub(super) fn complete(object: &mut Value, before: Option<&Value>) {
    let of = |field| before.and_then(|it| metadata(it, field)).map(str::to_owned);
    edit_metadata(object, |metadata| {
        metadata
            .entry("uid")
            .or_insert_with(|| of("uid").unwrap_or_else(new_uid).into());
        metadata
            .entry("creationTimestamp")
            .or_insert_with(|| of("creationTimestamp").unwrap_or_else(now).into());
    });
}

/// When it was made.
pub(super) fn created(object: &Value) -> Option<Timestamp> {
    metadata(object, "creationTimestamp")?.parse().ok()
}

/// The load-balancer addresses in a status that was read here are not asked for by who writes it back.
/// Returns whether there were any.
pub(super) fn forget_given(object: &mut Value, shown: &Value, stored: &Value) -> bool {
    const PLACE: &str = "/status/loadBalancer";
    let given = shown.pointer(PLACE);
    if given.is_none() || stored.pointer(PLACE).is_some() || object.pointer(PLACE) != given {
        return false;
    }
    let status = object.get_mut("status").and_then(Value::as_object_mut);
    let is_empty = status.is_some_and(|status| {
        status.remove("loadBalancer");
        status.is_empty()
    });
    if let (true, Some(fields)) = (is_empty, object.as_object_mut()) {
        fields.remove("status");
    }
    true
}

/// What is stored, with the numbers that the Service was given.
pub(super) fn with_numbers(mut stored: Value, given: &Object) -> Value {
    let Body::Service(given) = &given.body else {
        return stored;
    };
    let Ok(given) = serde_json::to_value(given) else {
        return stored;
    };
    let (Some(numbers), Some(spec)) = (
        given.get("spec").and_then(Value::as_object),
        stored.get_mut("spec").and_then(Value::as_object_mut),
    ) else {
        return stored;
    };
    for field in NUMBERS {
        fill(spec, field, numbers);
    }
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    let given_ports = numbers.get("ports").and_then(Value::as_array);
    for (port, given) in ports
        .into_iter()
        .flatten()
        .zip(given_ports.into_iter().flatten())
    {
        if let (Some(port), Some(given)) = (port.as_object_mut(), given.as_object()) {
            fill(port, "nodePort", given);
        }
    }
    if let (Some(balancer), Some(fields)) = (
        given.pointer("/status/loadBalancer"),
        stored.as_object_mut(),
    ) {
        let status = fields.entry("status").or_insert_with(|| Map::new().into());
        status["loadBalancer"] = balancer.clone();
    }
    stored
}

/// What the user has written stays, also where it could not be granted.
fn fill(fields: &mut Map<String, Value>, field: &str, given: &Map<String, Value>) {
    let is_said = fields.get(field).is_some_and(|said| match said {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Number(number) => number.as_i64() != Some(0),
        _ => true,
    });
    if let (false, Some(number)) = (is_said, given.get(field)) {
        fields.insert(field.to_owned(), number.clone());
    }
}

/// Whether the text names every number that the Service was given.
pub(super) fn names_all_of(json: &str, given: &Object) -> bool {
    let Some(service) = given.service() else {
        return true;
    };
    let spec = service.spec.as_ref();
    let ports = spec
        .and_then(|spec| spec.ports.as_deref())
        .unwrap_or_default();
    let node_ports = ports.iter().filter_map(|port| port.node_port);
    let health = spec.and_then(|spec| spec.health_check_node_port);
    let status = service.status.as_ref();
    let balancer = status.and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_deref());
    let ingress = ingress
        .into_iter()
        .flatten()
        .filter_map(|it| it.ip.as_deref());
    let ips = spec
        .and_then(|spec| spec.cluster_ips.as_deref())
        .unwrap_or_default();
    let ip = spec.and_then(|spec| spec.cluster_ip.as_deref());
    let mut texts = ip
        .into_iter()
        .chain(ips.iter().map(String::as_str))
        .chain(ingress);
    let mut numbers = node_ports.chain(health);
    texts.all(|text| json.contains(&format!("\"{text}\"")))
        && numbers.all(|number| json.contains(&number.to_string()))
}

/// An object of another source.
pub(super) fn foreign(object: &Object) -> Value {
    let value = match &object.body {
        Body::Service(it) => serde_json::to_value(it),
        Body::EndpointSlice(it) => serde_json::to_value(it),
        Body::Pod(it) => serde_json::to_value(it),
        Body::Node(it) => serde_json::to_value(it),
    };
    let mut value = value.unwrap_or_default();
    edit_metadata(&mut value, |metadata| {
        if object.key.kind != Kind::Node {
            metadata.insert("namespace".to_owned(), object.key.namespace.clone().into());
        }
        let annotations = metadata
            .entry("annotations")
            .or_insert_with(|| Map::new().into());
        annotations[SOURCE] = object.origin.to_string().into();
    });
    value
}

/// Marks an object with its version.
pub(super) fn with_version(mut object: Value, version: u64) -> Value {
    edit_metadata(&mut object, |metadata| {
        metadata.insert("resourceVersion".to_owned(), version.to_string().into());
    });
    object
}

fn edit_metadata(object: &mut Value, edit: impl FnOnce(&mut Map<String, Value>)) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    let metadata = fields
        .entry("metadata")
        .or_insert_with(|| Map::new().into());
    if let Some(metadata) = metadata.as_object_mut() {
        edit(metadata);
    }
}

/// In whole seconds, as API servers count.
fn now() -> String {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now).to_string()
}

/// The kernel makes them.
fn new_uid() -> String {
    let uid = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    uid.trim().to_owned()
}
