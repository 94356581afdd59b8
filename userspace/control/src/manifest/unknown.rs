//! Fields that an object's kind does not have: told, for a misspelt field does nothing otherwise.
//!
//! The typed object, written out again, has every field that was understood; what is missing in it was
//! not. Pods and Nodes are checked before the rest of them is taken away (`trim`).

use k8s_openapi::api::{
    core::v1::{Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::object::Kind;

/// Paths of fields of the object that its kind does not have.
pub(super) fn fields(kind: Kind, written: &Value) -> Vec<String> {
    match kind {
        Kind::Service => of_type::<Service>(written),
        Kind::EndpointSlice => of_type::<EndpointSlice>(written),
        Kind::Pod => of_type::<Pod>(written),
        Kind::Node => of_type::<Node>(written),
    }
}

/// What the type does not take cannot be compared; whether it matters is told elsewhere.
fn of_type<T: DeserializeOwned + Serialize>(written: &Value) -> Vec<String> {
    match T::deserialize(written) {
        Ok(typed) => compare(written, &typed),
        Err(_other_type) => Vec::new(),
    }
}

fn compare<T: Serialize>(written: &Value, typed: &T) -> Vec<String> {
    let mut found = Vec::new();
    // What was read from JSON can be written as JSON.
    if let Ok(understood) = serde_json::to_value(typed) {
        walk(written, &understood, &mut String::new(), &mut found);
    }
    found
}

fn walk(written: &Value, understood: &Value, path: &mut String, found: &mut Vec<String>) {
    let end = path.len();
    match (written, understood) {
        (Value::Object(written), Value::Object(understood)) => {
            for (name, value) in written {
                if end > 0 {
                    path.push('.');
                }
                path.push_str(name);
                match understood.get(name) {
                    Some(understood) => walk(value, understood, path, found),
                    // Null and nothing are the same, and so are no entries and none.
                    None if is_nothing(value) => {}
                    None => found.push(path.clone()),
                }
                path.truncate(end);
            }
        }
        (Value::Array(written), Value::Array(understood)) => {
            for (index, (value, understood)) in written.iter().zip(understood).enumerate() {
                path.push_str(&format!("[{index}]"));
                walk(value, understood, path, found);
                path.truncate(end);
            }
        }
        _ => {}
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
