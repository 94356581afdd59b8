//! Objects over HTTP, with a loop that takes every batch at once.

use hyper::Method;
use serde_json::{Value, json};
use tidegate_api::{Changes, client::Error};
use tidegate_control::Store;

use super::*;
use crate::sources::{Batch, Change};

/// A server, and the directory that it lives in.
struct Served {
    dir: tempfile::TempDir,
    _socket: Socket,
}

impl Served {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (batches, mut taken) = mpsc::channel::<Batch>(8);
        let objects = Objects::open(dir.path(), 30_000..=32_767, batches).unwrap();
        let (socket, listener) = bind(&dir.path().join("api.sock"), None).unwrap();
        let (asking, _) = mpsc::channel::<Query>(8);
        let shown = objects.clone();
        tokio::spawn(async move {
            let mut store = Store::new(30_000..=32_767);
            while let Some(batch) = taken.recv().await {
                for change in batch.changes {
                    match change {
                        Change::Parsed { file, parsed } => drop(store.replace_file(&file, parsed)),
                        Change::Gone { file } => store.remove_file(&file),
                    }
                }
                let changed = store.take_changed().into_iter();
                let held = |key: &_| store.get(key).map(|held| Arc::clone(&held.object));
                shown.publish(changed.map(|key| (key.clone(), held(&key))));
                let _gone = batch.done.map(|done| done.send(Ok(())));
            }
        });
        let api = api(asking, objects);
        tokio::spawn(serve(listener, api));
        Self {
            dir,
            _socket: socket,
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("api.sock")
    }

    async fn get(&self, path: &str) -> Result<Value, Error> {
        client::get(&self.path(), path).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, Error> {
        client::send(&self.path(), method, path, body).await
    }
}

fn service(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 80}]}})
}

fn status(result: Result<Value, Error>) -> (u16, String) {
    match result {
        Err(Error::Refused { status, reason, .. }) => (status, reason),
        other => panic!("{other:?}"),
    }
}

const WEB: &str = "/v1/namespaces/shop/services/web";

#[tokio::test]
async fn an_object_is_created_read_replaced_and_deleted() {
    let served = Served::new();
    let all = "/v1/namespaces/shop/services";
    let created = served
        .send(Method::POST, all, &service("web"))
        .await
        .unwrap();
    assert_eq!(created["kind"], "Service");
    assert_eq!(created["metadata"]["namespace"], "shop");
    for filled in ["uid", "creationTimestamp", "resourceVersion"] {
        assert!(created["metadata"][filled].is_string(), "{created}");
    }
    let again = served.send(Method::POST, all, &service("web")).await;
    assert_eq!(status(again).0, 409);
    let mut read = served.get(WEB).await.unwrap();
    assert_eq!(read, created);
    read["spec"]["ports"][0]["port"] = 81.into();
    let replaced = served.send(Method::PUT, WEB, &read).await.unwrap();
    assert_eq!(replaced["spec"]["ports"][0]["port"], 81);
    assert_eq!(replaced["metadata"]["uid"], created["metadata"]["uid"]);
    assert_eq!(status(served.send(Method::PUT, WEB, &read).await).0, 409);
    let list = served.get("/v1/services").await.unwrap();
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("ServiceList"), &json!("v1"))
    );
    assert_eq!(list["items"][0], replaced);
    assert_eq!(
        served.get("/v1/namespaces/other/services").await.unwrap()["items"],
        json!([])
    );
    let gone: Value = client::call(&served.path(), Method::DELETE, WEB)
        .await
        .unwrap();
    assert_eq!(gone["status"], "Success");
    assert_eq!(status(served.get(WEB).await).0, 404);
    let missing = client::call::<Value>(&served.path(), Method::DELETE, WEB).await;
    assert_eq!(
        status(missing),
        (404, "Service shop/web is not there".to_owned())
    );
}

#[tokio::test]
async fn the_path_and_the_body_must_agree() {
    let served = Served::new();
    let mut body = service("other");
    let (code, reason) = status(served.send(Method::PUT, WEB, &body).await);
    assert_eq!(code, 400);
    assert!(reason.contains("the path \"web\""), "{reason}");
    body = service("web");
    body["kind"] = "Pod".into();
    assert_eq!(status(served.send(Method::PUT, WEB, &body).await).0, 400);
    let node = json!({"metadata": {"name": "a"}});
    let made = served
        .send(Method::PUT, "/v1/nodes/a", &node)
        .await
        .unwrap();
    assert_eq!(made["kind"], "Node");
    assert_eq!(served.get("/v1/nodes").await.unwrap()["items"][0], made);
}

#[tokio::test]
async fn a_snapshot_of_typed_lists_is_taken_as_a_whole() {
    let served = Served::new();
    let lists = json!([
        {"apiVersion": "v1", "kind": "ServiceList", "items": [service("a"), service("b")]},
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}},
    ]);
    let dry = served
        .send(Method::PUT, "/v1/snapshot?dryRun=true", &lists)
        .await
        .unwrap();
    let dry: Changes = serde_json::from_value(dry).unwrap();
    assert_eq!(
        (dry.created.len(), dry.applied, dry.dry_run),
        (3, false, true)
    );
    assert_eq!(
        served.get("/v1/services").await.unwrap()["items"],
        json!([])
    );
    let changes = served
        .send(Method::PUT, "/v1/snapshot", &lists)
        .await
        .unwrap();
    let changes: Changes = serde_json::from_value(changes).unwrap();
    assert_eq!(
        changes.created,
        ["Service default/a", "Service default/b", "Node n"]
    );
    assert!(changes.applied);
    let whole = served.get("/v1/snapshot").await.unwrap();
    let again = served
        .send(Method::PUT, "/v1/snapshot", &whole)
        .await
        .unwrap();
    assert_eq!(again["unchanged"], 3);
    let rest = json!({"apiVersion": "v1", "kind": "List", "items": [whole["items"][0]]});
    let gone = served
        .send(Method::POST, "/v1/delete", &rest)
        .await
        .unwrap();
    assert_eq!(gone["deleted"], json!(["Service default/a"]));
}

#[tokio::test]
async fn what_is_refused_is_told_with_every_field() {
    let served = Served::new();
    let mut bad = service("a");
    bad["apiVersion"] = "v1".into();
    bad["kind"] = "Service".into();
    bad["spec"]["clusterIP"] = "127.0.0.1".into();
    let body = json!({"apiVersion": "v1", "kind": "List", "items": [bad.clone(), {"apiVersion": "v1", "kind": "Secret"}]});
    let (code, reason) = status(served.send(Method::POST, "/v1/apply", &body).await);
    assert_eq!(code, 422);
    assert!(reason.starts_with("nothing is changed: 2 faults, of which the first: items[0]: Service default/a: spec.clusterIP"), "{reason}");
    let (code, reason) = status(
        served
            .send(Method::POST, "/v1/apply?dryrun=true", &body)
            .await,
    );
    assert_eq!(code, 400);
    assert!(reason.contains("dryrun"), "{reason}");
}

#[tokio::test]
async fn a_watch_over_http_is_one_event_a_line() {
    let served = Served::new();
    served
        .send(Method::PUT, WEB, &service("web"))
        .await
        .unwrap();
    let mut lines = client::follow(&served.path(), "/v1/services?watch=true")
        .await
        .unwrap();
    let first: Value = lines.next().await.unwrap().unwrap();
    assert_eq!(
        (&first["type"], &first["object"]["metadata"]["name"]),
        (&json!("ADDED"), &json!("web"))
    );
    drop(
        client::call::<Value>(&served.path(), Method::DELETE, WEB)
            .await
            .unwrap(),
    );
    let second: Value = lines.next().await.unwrap().unwrap();
    assert_eq!(second["type"], "DELETED");
    let from = first["object"]["metadata"]["resourceVersion"]
        .as_str()
        .unwrap();
    let path =
        format!("/v1/namespaces/shop/services?watch=true&resourceVersion={from}&timeoutSeconds=1");
    let mut lines = client::follow(&served.path(), &path).await.unwrap();
    let event: Value = lines.next().await.unwrap().unwrap();
    assert_eq!(event["type"], "DELETED");
    assert_eq!(lines.next::<Value>().await.unwrap(), None);
    let old = client::follow(&served.path(), "/v1/services?watch=true&resourceVersion=7").await;
    assert!(
        matches!(old, Err(Error::Refused { status: 410, .. })),
        "{old:?}"
    );
}
