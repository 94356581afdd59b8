//! The OpenAPI document.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn document() -> Value {
    let (_, document) = routes().split_for_parts();
    serde_json::to_value(document).unwrap()
}

/// Every `$ref` in a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(target) if name == "$ref" => drop(found.insert(target.to_owned())),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn the_document_names_every_route_with_its_methods() {
    let document = document();
    let of = |path: &str| -> Vec<String> {
        let item = document["paths"][path].as_object();
        let item = item.unwrap_or_else(|| panic!("{path} is missing"));
        let methods = ["get", "put", "post", "delete"].into_iter();
        methods
            .filter(|it| item.contains_key(*it))
            .map(str::to_owned)
            .collect()
    };
    for plural in ["services", "endpointslices", "pods"] {
        assert_eq!(of(&format!("/v1/{plural}")), ["get"]);
        let here = format!("/v1/namespaces/{{namespace}}/{plural}");
        assert_eq!(of(&here), ["get", "post"]);
        assert_eq!(of(&format!("{here}/{{name}}")), ["get", "put", "delete"]);
    }
    assert_eq!(of("/v1/nodes"), ["get", "post"]);
    assert_eq!(of("/v1/nodes/{name}"), ["get", "put", "delete"]);
    assert_eq!(of("/v1/snapshot"), ["get", "put"]);
    assert_eq!(of("/v1/apply"), ["post"]);
    assert_eq!(of("/v1/delete"), ["post"]);
    assert_eq!(of("/v1/flows"), ["get", "delete"]);
    assert_eq!(of("/v1/devices/{name}"), ["get", "put", "delete"]);
    let plain = [
        "serviceports",
        "endpoints",
        "frontends",
        "backends",
        "devices",
        "status",
        "traffic",
        "events",
        "openapi.json",
    ];
    for name in plain {
        assert_eq!(of(&format!("/v1/{name}")), ["get"], "{name}");
    }
    assert_eq!(of("/v1/explain"), ["post"]);
    assert_eq!(of("/healthz"), ["get"]);
}

#[test]
fn parameters_in_paths_are_described() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for name in path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            {
                let parameters = operation["parameters"].as_array();
                let is_it = |it: &Value| it["name"] == name && it["in"] == "path";
                assert!(
                    parameters.is_some_and(|all| all.iter().any(is_it)),
                    "{method} {path}: {name}"
                );
            }
        }
    }
}

/// Every operation of a document, with its place.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let item = item.as_object().unwrap();
            item.iter()
                .map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

#[test]
fn every_operation_has_an_id_of_its_own_and_every_response_is_described() {
    let document = document();
    let mut ids = BTreeSet::new();
    let operations = operations(&document);
    assert!(operations.len() > 40, "{}", operations.len());
    for (place, operation) in operations {
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty(), "{place} has no operationId");
        assert!(ids.insert(id), "{place}: {id} is another operation's");
        let responses = operation["responses"].as_object().unwrap();
        assert!(!responses.is_empty(), "{place} answers nothing");
        for (status, response) in responses {
            // Without one the document is no OpenAPI 3.1, and generators of clients refuse it as a whole.
            let said = response["description"].as_str().unwrap_or_default();
            assert!(!said.is_empty(), "{place}: {status} is not described");
        }
    }
}

#[test]
fn only_deletions_offer_to_ignore_what_is_missing() {
    let document = document();
    let offers: Vec<String> = operations(&document)
        .into_iter()
        .filter(|(_, operation)| {
            operation["parameters"]
                .to_string()
                .contains("ignoreNotFound")
        })
        .map(|(place, _)| place)
        .collect();
    let is_deletion = |place: &String| place.starts_with("delete ") || place == "post /v1/delete";
    assert!(offers.iter().all(is_deletion), "{offers:?}");
    assert_eq!(offers.len(), 5, "{offers:?}");
}

#[tokio::test]
async fn the_document_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let _socket = agent(&path);
    let served: Value = client::get(&path, "/v1/openapi.json").await.unwrap();
    assert_eq!(served["info"]["title"], "tidegate");
    assert_eq!(served["paths"], document()["paths"]);
}
