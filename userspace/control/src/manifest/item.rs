//! One document's value to objects: kinds, lists, identity, types.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Parsed, trim, unknown};
use crate::{
    object::{Body, Kind, Object, ObjectKey},
    problem::{Origin, Problem, Severity},
};

/// What is said about a field that the object's kind does not have.
pub(super) const UNKNOWN_FIELD: &str =
    "is not a field of this kind, and is ignored: is it misspelt?";

/// Reads the object, or the objects of a list.
pub(super) fn read_document(origin: &Origin, value: Value, parsed: &mut Parsed) {
    let (api_version, kind) = (text(&value, "apiVersion"), text(&value, "kind"));
    match (api_version, kind) {
        (Some("v1"), Some("List" | "ServiceList" | "PodList" | "NodeList"))
        | (Some("discovery.k8s.io/v1"), Some("EndpointSliceList")) => {
            read_list(origin, value, parsed);
        }
        _ => read_object(origin, value, None, parsed),
    }
}

/// The API leaves out the items' own kind in a list of one kind: it is the list's.
fn read_list(origin: &Origin, mut value: Value, parsed: &mut Parsed) {
    let kind = text(&value, "kind")
        .and_then(|kind| kind.strip_suffix("List"))
        .unwrap_or_default();
    let common = text(&value, "apiVersion").map(|version| (version.to_owned(), kind.to_owned()));
    let common = common.filter(|(_, kind)| !kind.is_empty());
    let items = match value.get_mut("items").map(Value::take) {
        None | Some(Value::Null) => return,
        Some(Value::Array(items)) => items,
        Some(_) => return broken(origin, "items", "must be a list of objects", parsed),
    };
    for (index, mut item) in items.into_iter().enumerate() {
        if let (Some((version, kind)), Some(fields)) = (&common, item.as_object_mut()) {
            fields
                .entry("apiVersion")
                .or_insert_with(|| version.clone().into());
            fields.entry("kind").or_insert_with(|| kind.clone().into());
        }
        read_object(origin, item, Some(index), parsed);
    }
}

/// Reads one object, which is no list, from an API server: it may be newer, and have fields that are not
/// known here.
pub(super) fn read_settled(origin: &Origin, value: Value, parsed: &mut Parsed) {
    read(origin, value, None, parsed, |_, _| Vec::new());
}

/// Reads one object, which is no list.
fn read_object(origin: &Origin, value: Value, index: Option<usize>, parsed: &mut Parsed) {
    read(origin, value, index, parsed, unknown::fields);
}

fn read(
    origin: &Origin,
    mut value: Value,
    index: Option<usize>,
    parsed: &mut Parsed,
    unknown_fields: impl Fn(Kind, &Value) -> Vec<String>,
) {
    let path = |field: &str| match index {
        Some(index) => format!("items[{index}].{field}"),
        None => field.to_owned(),
    };
    if !value.is_object() {
        return broken(
            origin,
            "",
            "is not an object with apiVersion and kind",
            parsed,
        );
    }
    let Some(kind_name) = text(&value, "kind") else {
        return broken(origin, &path("kind"), "is missing", parsed);
    };
    let Some(api_version) = text(&value, "apiVersion") else {
        return broken(origin, &path("apiVersion"), "is missing", parsed);
    };
    let Some(kind) = Kind::of(api_version, kind_name) else {
        let reason = format!("{api_version} {kind_name} is not understood and was skipped");
        parsed
            .problems
            .push(Problem::at(origin, Severity::Note, reason));
        return;
    };
    let key = match identity(kind, &value) {
        Ok(key) => key,
        Err((field, reason)) => return broken(origin, &path(field), &reason, parsed),
    };
    let unknown = unknown_fields(kind, &value);
    match typed(kind, &mut value) {
        Ok(body) => {
            for field in unknown {
                let problem = Problem::at(origin, Severity::Warning, UNKNOWN_FIELD);
                let problem = problem.object(key.to_string()).field(field);
                parsed.problems.push(problem);
            }
            parsed.objects.push(object(origin, key, body));
        }
        Err((field, reason)) => {
            let problem = Problem::at(origin, Severity::Error, reason).object(key.to_string());
            parsed.problems.push(if field == "." {
                problem
            } else {
                problem.field(field)
            });
            parsed.refused.push(key);
        }
    }
}

fn object(origin: &Origin, key: ObjectKey, body: Body) -> Object {
    let created = body.metadata().creation_timestamp.as_ref();
    let created = created.map(|time| time.0);
    Object {
        origin: origin.clone(),
        key,
        created,
        settled: false,
        body,
    }
}

/// The object's identity, read before anything else: it says whose last good state to keep.
fn identity(kind: Kind, value: &Value) -> Result<ObjectKey, (&'static str, String)> {
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let name = match metadata.get("name") {
        None | Some(Value::Null) => return Err(("metadata.name", "is missing".to_owned())),
        Some(name) => name.as_str().filter(|name| is_name(name, true)),
    };
    let namespace = match metadata.get("namespace") {
        _ if !kind.is_namespaced() => Some(""),
        None | Some(Value::Null) => Some("default"),
        Some(Value::String(namespace)) if namespace.is_empty() => Some("default"),
        Some(namespace) => namespace
            .as_str()
            .filter(|namespace| is_name(namespace, false)),
    };
    let wrong = |field, value: Option<&Value>| {
        let value = value.unwrap_or(&Value::Null);
        (
            field,
            format!("{value} is not a name (lower case letters, digits and '-')"),
        )
    };
    let name = name.ok_or_else(|| wrong("metadata.name", metadata.get("name")))?;
    let namespace =
        namespace.ok_or_else(|| wrong("metadata.namespace", metadata.get("namespace")))?;
    Ok(ObjectKey {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

/// RFC 1123, as the API server has it: names of slices may hold dots.
fn is_name(name: &str, dots: bool) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || (dots && byte == b'.')
    };
    let bytes = name.as_bytes();
    bytes.len() <= 253
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|&byte| inner(byte))
}

fn typed(kind: Kind, value: &mut Value) -> Result<Body, (String, String)> {
    Ok(match kind {
        Kind::Service => Body::Service(from_value(value)?),
        Kind::EndpointSlice => Body::EndpointSlice(from_value(value)?),
        Kind::Pod => {
            trim::pod(value);
            Body::Pod(from_value(value)?)
        }
        Kind::Node => {
            trim::node(value);
            Body::Node(from_value(value)?)
        }
    })
}

fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, (String, String)> {
    // Where something is wrong costs as much again to know: only those pay it that are wrong.
    T::deserialize(value).or_else(|_error| {
        serde_path_to_error::deserialize(value)
            .map_err(|error| (error.path().to_string(), error.inner().to_string()))
    })
}

fn broken(origin: &Origin, field: &str, reason: &str, parsed: &mut Parsed) {
    let problem = Problem::at(origin, Severity::Error, reason);
    parsed.problems.push(if field.is_empty() {
        problem
    } else {
        problem.field(field)
    });
    parsed.incomplete = true;
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}
