//! What a server takes, and what it tells those who send something else.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::*;

/// Sends raw bytes, and reads all that comes.
async fn talk(path: &Path, text: &str) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn ask(path: &Path, method: &str, target: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    let text = format!(
        "{method} {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{kind}content-length: {length}\r\n\r\n{body}"
    );
    talk(path, &text).await
}

fn check(answer: &str, code: u16, contains: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let status: tidegate_api::StatusError = serde_json::from_str(body).unwrap();
    assert_eq!((status.kind.as_str(), status.code), ("Status", code));
    assert!(status.message.contains(contains), "{}", status.message);
    assert!(!status.message.contains('\n'), "{}", status.message);
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let _socket = agent(&path);
    let json = "content-type: application/json\r\n";
    let broken = ask(&path, "PUT", "/v1/snapshot", json, "{\n  \"a\": }").await;
    check(&broken, 400, "at line 2 column 8");
    check(
        &ask(&path, "PUT", "/v1/snapshot", json, "").await,
        400,
        "empty",
    );
    check(
        &ask(&path, "PUT", "/v1/snapshot", "", "7").await,
        400,
        "the body must be an object",
    );
    check(
        &ask(&path, "PUT", "/v1/snapshot", json, "[7]").await,
        400,
        "[0] must be",
    );
    let yaml = "content-type: application/yaml\r\n";
    check(
        &ask(&path, "POST", "/v1/apply", yaml, "a: b").await,
        415,
        "send application/json",
    );
    check(
        &ask(&path, "PATCH", "/v1/status", "", "").await,
        405,
        "/v1/status does not take PATCH",
    );
    check(
        &ask(&path, "GET", "/nothing", "", "").await,
        404,
        "/nothing",
    );
    check(
        &ask(&path, "GET", "/v1/services?limit=5", "", "").await,
        400,
        "limit",
    );
    check(
        &ask(&path, "GET", "/v1/services?watch=maybe", "", "").await,
        400,
        "watch=maybe",
    );
    let deep = "[".repeat(1000);
    check(
        &ask(&path, "PUT", "/v1/snapshot", json, &deep).await,
        400,
        "recursion",
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_without_being_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let _socket = agent(&path);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let head = "PUT /v1/snapshot HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![b' '; 1 << 20];
    let mut sent = 0;
    // The server stops reading some time after its limit.
    while sent < 256 && stream.write_all(&chunk).await.is_ok() {
        sent += 1;
    }
    let mut answer = String::new();
    let _reset = stream.read_to_string(&mut answer).await;
    assert!(sent < 256, "{sent} MiB were taken");
    if !answer.is_empty() {
        check(&answer, 413, "larger than 64 MiB");
    }
}

fn serve_with(dir: &Path, limits: server::Limits) -> (Socket, std::path::PathBuf) {
    let path = dir.join("api.sock");
    let (socket, listener) = bind(&path, None).unwrap();
    let (asking, _) = mpsc::channel::<Query>(8);
    let objects = Objects::open(dir, 30_000..=32_767, mpsc::channel(8).0).unwrap();
    let api = api(asking, objects);
    tokio::spawn(server::serve(listener, router(api), limits));
    (socket, path)
}

#[tokio::test]
async fn who_does_not_finish_its_head_is_hung_up_on() {
    let dir = tempfile::tempdir().unwrap();
    let limits = server::Limits {
        head: Duration::from_millis(200),
        ..server::Limits::default()
    };
    let (_socket, path) = serve_with(dir.path(), limits);
    for begun in ["GET /v1/serv", ""] {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
        assert!(end.await.is_ok(), "{begun:?} is waited for");
    }
}

#[tokio::test]
async fn more_connections_than_allowed_are_told_to_come_again_and_may() {
    let dir = tempfile::tempdir().unwrap();
    let limits = server::Limits {
        connections: 2,
        ..server::Limits::default()
    };
    let (_socket, path) = serve_with(dir.path(), limits);
    let open = [
        client::follow(&path, "/v1/services?watch=true")
            .await
            .unwrap(),
        client::follow(&path, "/v1/pods?watch=true").await.unwrap(),
    ];
    let answer = talk(&path, "").await;
    check(&answer, 503, "2 connections are open");
    drop(open);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while let Err(error) = client::get::<serde_json::Value>(&path, "/v1/services").await {
        assert!(std::time::Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The head of a request, and the first byte of its body.
const HALF: &str = "PUT /v1/snapshot HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{";

#[tokio::test]
async fn bodies_that_do_not_come_keep_nobody_out_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let limits = server::Limits {
        connections: 2,
        body: Duration::from_secs(2),
        ..server::Limits::default()
    };
    let (_socket, path) = serve_with(dir.path(), limits);
    let begun = std::time::Instant::now();
    let mut stuck = Vec::new();
    for _ in 0..2 {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(HALF.as_bytes()).await.unwrap();
        stuck.push(stream);
    }
    let deadline = begun + Duration::from_secs(60);
    let mut refusals = Vec::new();
    while let Err(error) = client::get::<serde_json::Value>(&path, "/v1/services").await {
        assert!(std::time::Instant::now() < deadline, "{error}");
        refusals.push(error);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!refusals.is_empty(), "nobody was kept out");
    for error in refusals {
        let text = error.to_string();
        let is_full = matches!(error, client::Error::Refused { status: 503, .. });
        assert!(is_full && text.contains("2 connections are open"), "{text}");
    }
    for mut stream in stuck {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        check(&answer, 408, "too slowly: 1 bytes in");
    }
}

#[tokio::test]
async fn a_byte_now_and_then_is_no_progress() {
    let dir = tempfile::tempdir().unwrap();
    let limits = server::Limits {
        body: Duration::from_secs(1),
        ..server::Limits::default()
    };
    let (_socket, path) = serve_with(dir.path(), limits);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(HALF.as_bytes()).await.unwrap();
    // Ten times as long as it may take, each pause shorter than the limit.
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        if stream.write_all(b" ").await.is_err() {
            break;
        }
    }
    let mut answer = String::new();
    let _reset = stream.read_to_string(&mut answer).await;
    check(&answer, 408, "too slowly");
}

#[tokio::test]
async fn who_is_turned_away_with_a_large_body_reads_why() {
    let dir = tempfile::tempdir().unwrap();
    let limits = server::Limits {
        connections: 0,
        ..server::Limits::default()
    };
    let (_socket, path) = serve_with(dir.path(), limits);
    let body = "x".repeat(8 << 20);
    for _ in 0..10 {
        let answer =
            client::send::<_, serde_json::Value>(&path, Method::PUT, "/v1/snapshot", &body);
        let error = answer.await.unwrap_err().to_string();
        assert!(error.contains("0 connections are open"), "{error}");
    }
}

#[tokio::test]
async fn who_reads_nothing_is_hung_up_on() {
    let dir = tempfile::tempdir().unwrap();
    let limits = server::Limits {
        connections: 1,
        reading: Duration::from_millis(300),
        ..server::Limits::default()
    };
    let (_socket, path) = serve_with(dir.path(), limits);
    let mut idle = UnixStream::connect(&path).await.unwrap();
    // Requests one behind the other, whose answers nobody reads.
    let request = "GET /v1/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(200);
    let _broken = idle.write_all(request.as_bytes()).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while let Err(error) = client::get::<serde_json::Value>(&path, "/v1/services").await {
        assert!(std::time::Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
