use std::{os::unix::fs::PermissionsExt, path::Path};

use tidegate_api::{DeviceRow, FlowRow, List, Status, client};
use tokio::sync::mpsc;

use super::{socket::Socket, *};
use crate::asking::{Answer, Query, Question};

mod document;
mod limits;
mod objects;

fn api(asking: Asking, objects: Objects) -> Api {
    Api {
        asking,
        objects,
        devices: Arc::default(),
        watching: None,
        vitals: Arc::default(),
    }
}

/// An agent whose answers are made up.
fn agent(path: &Path) -> Socket {
    let (socket, listener) = bind(path, None).unwrap();
    let (asking, mut queries) = mpsc::channel::<Query>(8);
    let objects =
        Objects::open(path.parent().unwrap(), 30_000..=32_767, mpsc::channel(8).0).unwrap();
    tokio::spawn(serve(listener, api(asking, objects)));
    tokio::spawn(async move {
        while let Some(Query { question, reply }) = queries.recv().await {
            let device = DeviceRow {
                name: "eth0".into(),
                index: 2,
                ..DeviceRow::default()
            };
            let answer = match question {
                Question::Devices => Ok(Answer::Devices(List {
                    items: vec![device],
                })),
                Question::Flows { limit, .. } => Ok(Answer::Flows(List {
                    items: vec![flow(); limit],
                })),
                Question::Status => Ok(Answer::Status(Box::default())),
                _ => Err("the map cannot be read".to_owned()),
            };
            reply.send(answer).unwrap();
        }
    });
    socket
}

fn flow() -> FlowRow {
    let address = |text: &str| text.parse().unwrap();
    FlowRow {
        proto: "TCP".into(),
        client: address("192.168.1.10:40000"),
        frontend: address("192.168.1.2:30008"),
        backend: address("10.244.0.7:80"),
        source_as_seen: address("192.168.1.2:20001"),
        masqueraded: true,
        state: "established".into(),
        idle_seconds: 0,
        age_seconds: 1,
        namespace: "default".into(),
        service: "web".into(),
        backend_id: 1,
    }
}

#[tokio::test]
async fn lists_and_status_travel_over_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/api.sock");
    let _socket = agent(&path);
    let devices: List<DeviceRow> = client::get(&path, "/v1/devices").await.unwrap();
    assert_eq!(devices.items[0].name, "eth0");
    let status: Status = client::get(&path, "/v1/status").await.unwrap();
    assert!(!status.synced);
}

#[tokio::test]
async fn flows_are_limited_by_the_request() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let _socket = agent(&path);
    let flows: List<FlowRow> = client::get(&path, "/v1/flows?limit=3").await.unwrap();
    assert_eq!(flows.items, [flow(), flow(), flow()]);
    let flows: List<FlowRow> = client::get(&path, "/v1/flows").await.unwrap();
    assert_eq!(flows.items.len(), FLOWS_LIMIT);
}

#[tokio::test]
async fn fields_are_camel_case_and_addresses_are_strings() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let _socket = agent(&path);
    let flows: serde_json::Value = client::get(&path, "/v1/flows?limit=1").await.unwrap();
    assert_eq!(flows["items"][0]["sourceAsSeen"], "192.168.1.2:20001");
    assert_eq!(flows["items"][0]["idleSeconds"], 0);
}

#[tokio::test]
async fn a_failed_answer_is_an_error_with_the_agents_own_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let _socket = agent(&path);
    let error = client::get::<List<DeviceRow>>(&path, "/v1/backends")
        .await
        .unwrap_err();
    assert!(matches!(error, client::Error::Refused { status: 500, .. }));
    assert!(
        error.to_string().contains("the map cannot be read"),
        "{error}"
    );
    let error = client::get::<Status>(&path, "/v1/nonsense")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no such resource"), "{error}");
}

#[tokio::test]
async fn without_an_agent_the_client_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let error = client::get::<Status>(&path, "/v1/status")
        .await
        .unwrap_err();
    assert!(matches!(error, client::Error::NoAgent(_)), "{error}");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let socket = agent(&path);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    let error = bind(&path, None).unwrap_err();
    assert!(
        error.to_string().starts_with("another agent answers at"),
        "{error}"
    );
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    assert!(bind(&path, None).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}

#[tokio::test]
async fn the_socket_is_given_to_a_group_by_name_or_number() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let (_socket, _listener) = bind(&path, Some("12345")).unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!((metadata.gid(), metadata.mode() & 0o777), (12345, 0o660));
    let (_socket, _listener) = bind(&dir.path().join("b"), Some("root")).unwrap();
    let error = bind(&dir.path().join("c"), Some("no-such-group")).unwrap_err();
    assert!(
        error.to_string().contains("there is no such group"),
        "{error}"
    );
    let long = dir.path().join("x".repeat(120));
    let error = bind(&long, None).unwrap_err().to_string();
    assert!(error.contains("too long for a Unix socket: 107"), "{error}");
    let below = path.join("below/api.sock");
    let error = format!("{:#}", bind(&below, None).unwrap_err());
    assert!(
        error.starts_with("cannot make the directory of --api"),
        "{error}"
    );
}
