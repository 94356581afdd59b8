//! What somebody sends, checked as a whole before anything changes.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
};

use serde_json::Value;
use tidegate_api::Cause;
use tidegate_control::{Kind, Object, ObjectKey, Problem, Severity, manifest, validate};

use super::{document, write::Unknown};

/// An object and where it stands in the body, such as `items[3]`; empty: it is the body.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) path: String,
    pub(crate) value: Value,
}

/// An object that may be stored.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) key: ObjectKey,
    /// Without the agent's own marks.
    pub(super) value: Value,
    pub(super) object: Object,
    /// What is odd about it.
    pub(super) problems: Vec<Problem>,
    pub(super) resource_version: Option<String>,
}

/// What was checked.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) objects: Vec<Incoming>,
    pub(super) warnings: Vec<String>,
    pub(super) refused: Vec<Cause>,
}

/// Checks everything.
pub(super) fn check(
    items: Vec<Item>,
    node_ports: &RangeInclusive<u16>,
    unknown: Unknown,
) -> Checked {
    let mut checked = Checked::default();
    let mut places: HashMap<ObjectKey, String> = HashMap::new();
    for Item { path, mut value } in items {
        let path = path.as_str();
        let Some((object, problems)) = read(path, &value, &mut checked.refused) else {
            continue;
        };
        let key = object.key.clone();
        match unknown {
            Unknown::Strict => checked.refused.extend(
                problems
                    .iter()
                    .map(|it| cause(path, it, "FieldValueInvalid")),
            ),
            Unknown::Warn => {
                let lines = problems.iter().map(|problem| line(path, problem));
                checked.warnings.extend(lines);
            }
            Unknown::Ignore => {}
        }
        match validate::check(&object, node_ports) {
            Ok(warnings) => {
                let told = warnings.iter().filter(|it| it.severity > Severity::Note);
                let told: Vec<String> = told.map(|problem| line(path, problem)).collect();
                checked.warnings.extend(told);
            }
            Err(problem) => checked
                .refused
                .push(cause(path, &problem, "FieldValueInvalid")),
        }
        if let Some(first) = places.insert(key.clone(), path.to_owned()) {
            let problem = Problem::with(
                &object,
                Severity::Error,
                format!("is in the body already, at {first}: name it once"),
            );
            checked.refused.push(cause(
                path,
                &problem.field("metadata.name"),
                "FieldValueDuplicate",
            ));
        }
        let resource_version = document::metadata(&value, "resourceVersion").map(str::to_owned);
        document::clean(&mut value, &key);
        checked.objects.push(Incoming {
            key,
            value,
            object,
            problems,
            resource_version,
        });
    }
    checked
}

/// The keys of objects of which nothing but kind and name is asked.
pub(super) fn keys(items: Vec<Item>) -> Result<Vec<ObjectKey>, Vec<Cause>> {
    let mut refused = Vec::new();
    let mut keys = Vec::new();
    let mut seen = HashSet::new();
    for Item { path, value } in items {
        let field = |name| value.get(name).cloned().unwrap_or_default();
        let metadata = |name| value.pointer(&format!("/metadata/{name}")).cloned();
        // Whatever else is in the object is nobody's business.
        let bare = serde_json::json!({
            "apiVersion": field("apiVersion"),
            "kind": field("kind"),
            "metadata": {"name": metadata("name"), "namespace": metadata("namespace")},
            "addressType": "IPv4",
        });
        let Some((object, _)) = read(&path, &bare, &mut refused) else {
            continue;
        };
        if seen.insert(object.key.clone()) {
            keys.push(object.key);
        }
    }
    if refused.is_empty() {
        Ok(keys)
    } else {
        Err(refused)
    }
}

/// One object, and what is not understood in it; else the reasons are with the refused.
fn read(path: &str, value: &Value, refused: &mut Vec<Cause>) -> Option<(Object, Vec<Problem>)> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    if let (Some(version), Some(kind)) = (text("apiVersion"), text("kind"))
        && Kind::of(version, kind).is_none()
    {
        refused.push(Cause {
            reason: "FieldValueNotSupported".to_owned(),
            message: format!(
                "{}: {version} {kind} is not one of v1 Service, v1 Pod, v1 Node, \
                 discovery.k8s.io/v1 EndpointSlice",
                join(path, "kind")
            ),
            field: join(path, "kind"),
        });
        return None;
    }
    let mut parsed = manifest::from_value("", value.clone());
    let Some(object) = parsed.objects.pop() else {
        let causes = parsed.problems.iter();
        refused.extend(causes.map(|problem| cause(path, problem, "FieldValueInvalid")));
        return None;
    };
    Some((object, parsed.problems))
}

fn cause(path: &str, problem: &Problem, reason: &str) -> Cause {
    Cause {
        reason: reason.to_owned(),
        message: line(path, problem),
        field: join(path, problem.field.as_deref().unwrap_or_default()),
    }
}

/// One line: where in the body, which object, which field, what is wrong.
fn line(path: &str, problem: &Problem) -> String {
    let problem = Problem {
        file: path.to_owned(),
        document: 0,
        ..problem.clone()
    };
    problem.to_string()
}

fn join(path: &str, field: &str) -> String {
    match (path, field) {
        ("", field) => field.to_owned(),
        (path, "") => path.to_owned(),
        (path, field) => format!("{path}.{field}"),
    }
}
