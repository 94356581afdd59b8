//! Services, EndpointSlices, Pods and Nodes, as Kubernetes' own API has them: list, watch, get, create,
//! replace, delete.

mod document;
mod stream;

use axum::{
    Json as Answer,
    extract::{Path, Query as Parameters, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::WARNING},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tidegate_control::{Kind, ObjectKey};
use utoipa_axum::router::OpenApiRouter;

use super::{
    Api,
    body::Json,
    change::{ChangeParameters, DeleteParameters},
    failure::Failure,
    parameters::Checked,
};
use crate::objects::{Applied, Outcome, Scope, What};
use stream::WatchParameters;

/// The kinds, and their names in paths.
const KINDS: [(Kind, &str); 4] = [
    (Kind::Service, "services"),
    (Kind::EndpointSlice, "endpointslices"),
    (Kind::Pod, "pods"),
    (Kind::Node, "nodes"),
];

/// What the path names.
#[derive(Clone, Debug, Default, Deserialize)]
struct Place {
    namespace: Option<String>,
    name: Option<String>,
}

type Asked<T> = Checked<T>;

pub(super) fn routes() -> OpenApiRouter<Api> {
    let mut router = OpenApiRouter::new();
    for (kind, plural) in KINDS {
        let all = format!("/v1/{plural}");
        let collection = document::collection(kind, plural);
        if collection != all {
            router = router.route(&all, list_route(kind));
        }
        router = router
            .route(&collection, collection_route(kind))
            .route(&format!("{collection}/{{name}}"), object_route(kind));
        document::describe(router.get_openapi_mut(), kind, plural);
    }
    router
}

fn list_route(kind: Kind) -> MethodRouter<Api> {
    get(
        move |State(api): State<Api>,
              Path(place): Path<Place>,
              Checked(Parameters(asked)): Asked<WatchParameters>| async move {
            let scope = place.scope(kind);
            if asked.is_watch()? {
                return stream::watch(&api, scope, &asked);
            }
            let (version, items) = api.objects.list(kind, scope.namespace.as_deref());
            let metadata = json!({"resourceVersion": version.to_string()});
            let (version, kind) = (kind.api_version(), format!("{}List", kind.name()));
            let list =
                json!({"apiVersion": version, "kind": kind, "metadata": metadata, "items": items});
            Ok(Answer(list).into_response())
        },
    )
}

fn collection_route(kind: Kind) -> MethodRouter<Api> {
    list_route(kind).post(
        move |State(api): State<Api>,
              Path(place): Path<Place>,
              Checked(Parameters(asked)): Asked<ChangeParameters>,
              Json(body): Json| async move {
            store(&api, kind, &place, What::Create, &asked, body).await
        },
    )
}

fn object_route(kind: Kind) -> MethodRouter<Api> {
    get(
        move |State(api): State<Api>,
              Path(place): Path<Place>,
              Checked(Parameters(asked)): Asked<WatchParameters>| async move {
            if asked.is_watch()? {
                return stream::watch(&api, place.scope(kind), &asked);
            }
            found(&api, &place.key(kind)).map(|object| Answer(object).into_response())
        },
    )
    .put(
        move |State(api): State<Api>,
              Path(place): Path<Place>,
              Checked(Parameters(asked)): Asked<ChangeParameters>,
              Json(body): Json| async move {
            store(&api, kind, &place, What::Replace, &asked, body).await
        },
    )
    .delete(
        move |State(api): State<Api>,
              Path(place): Path<Place>,
              Checked(Parameters(asked)): Asked<DeleteParameters>| async move {
            remove(&api, &place.key(kind), &asked).await
        },
    )
}

impl Place {
    fn scope(&self, kind: Kind) -> Scope {
        Scope {
            kind,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// The object that the path names as a whole.
    fn key(&self, kind: Kind) -> ObjectKey {
        ObjectKey {
            kind,
            namespace: self.namespace.clone().unwrap_or_default(),
            name: self.name.clone().unwrap_or_default(),
        }
    }

    /// Fills in what the path says; where the body says otherwise, one of them is a mistake.
    fn settle(&self, kind: Kind, body: Value) -> Result<Value, Failure> {
        let Value::Object(mut fields) = body else {
            return Err(Failure::bad_request("the body must be an object"));
        };
        agree(&mut fields, "apiVersion", kind.api_version())?;
        agree(&mut fields, "kind", kind.name())?;
        let metadata = fields
            .entry("metadata")
            .or_insert_with(|| Map::new().into());
        let Some(metadata) = metadata.as_object_mut() else {
            return Err(Failure::bad_request("metadata: must be an object"));
        };
        for (field, said) in [("namespace", &self.namespace), ("name", &self.name)] {
            if let Some(said) = said {
                agree(metadata, field, said)?;
            }
        }
        Ok(Value::Object(fields))
    }
}

fn agree(fields: &mut Map<String, Value>, field: &str, path: &str) -> Result<(), Failure> {
    let said = fields.entry(field).or_insert_with(|| path.into());
    if said.is_null() || said.as_str() == Some("") {
        *said = path.into();
    }
    if said.as_str() == Some(path) {
        return Ok(());
    }
    let reason =
        format!("{field}: the body says {said}, and the path {path:?}: make them the same");
    Err(Failure::bad_request(reason))
}

fn found(api: &Api, key: &ObjectKey) -> Result<Value, Failure> {
    let object = api.objects.get(key);
    object.ok_or_else(|| Failure::not_found(format!("{key} is not there")))
}

async fn store(
    api: &Api,
    kind: Kind,
    place: &Place,
    what: What,
    asked: &ChangeParameters,
    body: Value,
) -> Result<Response, Failure> {
    let body = place.settle(kind, body)?;
    let name = body.pointer("/metadata/name").and_then(Value::as_str);
    let key = ObjectKey {
        name: name.unwrap_or_default().to_owned(),
        ..place.key(kind)
    };
    let outcome = api.objects.write(asked.order(what, body.clone())?).await?;
    let code = match (&outcome.applied, outcome.created.is_empty()) {
        (Applied::NotYet(_), _) => StatusCode::ACCEPTED,
        (_, true) => StatusCode::OK,
        (_, false) => StatusCode::CREATED,
    };
    // What a dry run would store has no version yet.
    let object = match outcome.applied {
        Applied::Dry => body,
        Applied::Yes | Applied::NotYet(_) => api.objects.get(&key).unwrap_or(body),
    };
    Ok((code, warnings(&outcome), Answer(object)).into_response())
}

async fn remove(api: &Api, key: &ObjectKey, asked: &DeleteParameters) -> Result<Response, Failure> {
    let metadata = json!({"namespace": key.namespace, "name": key.name});
    let named = json!({"apiVersion": key.kind.api_version(), "kind": key.kind.name(), "metadata": metadata});
    let outcome = api.objects.write(asked.order(named)?).await?;
    let code = match outcome.applied {
        Applied::NotYet(_) => StatusCode::ACCEPTED,
        Applied::Yes | Applied::Dry => StatusCode::OK,
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Success",
        "details": {"kind": key.kind.name(), "name": key.name},
    });
    Ok((code, warnings(&outcome), Answer(status)).into_response())
}

/// As API servers tell them: one header a warning.
fn warnings(outcome: &Outcome) -> HeaderMap {
    let not_yet = match &outcome.applied {
        Applied::NotYet(reason) => Some(format!("stored, but not in the maps yet: {reason}")),
        Applied::Yes | Applied::Dry => None,
    };
    let mut headers = HeaderMap::new();
    for line in outcome.warnings.iter().chain(&not_yet) {
        let quoted = line.replace('\\', "\\\\").replace('"', "\\\"");
        // A character that no header may hold comes from the object: its warning is in the log too.
        if let Ok(value) = HeaderValue::from_str(&format!("299 tidegate \"{quoted}\"")) {
            headers.append(WARNING, value);
        }
    }
    headers
}
