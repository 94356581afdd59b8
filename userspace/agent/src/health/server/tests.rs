use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::*;
use crate::health::reply;

/// Longer than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn server() -> SocketAddr {
    server_within(HEADER_WITHIN).await
}

async fn server_within(header: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer: Answer = Arc::new(|path| {
        let mut reply = reply::not_found();
        let path = path.parse().unwrap();
        reply.headers_mut().insert("asked", path);
        reply
    });
    tokio::spawn(serve_within(listener, answer, header));
    address
}

/// Sends bytes, and returns what comes until the server closes or has nothing more to say.
async fn talk(stream: &mut TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut text = Vec::new();
    let until_body = async {
        while !text.ends_with(b"not found\n") && !text.ends_with(b"\r\n\r\n") {
            match stream.read_buf(&mut text).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    timeout(PATIENCE, until_body).await.expect("an answer");
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn rule_3_9_1_any_method_is_answered_and_a_connection_serves_several_requests() {
    let mut stream = TcpStream::connect(server().await).await.unwrap();
    for method in [
        "GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND",
    ] {
        let request = format!("{method} /some/path?with=query HTTP/1.1\r\nhost: node\r\n\r\n");
        let answer = talk(&mut stream, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{method}: {answer}");
        assert!(
            answer.contains("asked: /some/path\r\n"),
            "{method}: {answer}"
        );
        assert!(
            answer.ends_with("404 page not found\n"),
            "{method}: {answer}"
        );
    }
    // A header alone.
    let answer = talk(&mut stream, b"HEAD / HTTP/1.1\r\nhost: node\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_probe_of_http_1_0_is_answered() {
    let mut stream = TcpStream::connect(server().await).await.unwrap();
    let answer = talk(&mut stream, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 404 "), "{answer}");
}

#[tokio::test]
async fn a_header_that_does_not_end_is_refused() {
    let mut stream = TcpStream::connect(server().await).await.unwrap();
    let mut request = b"GET / HTTP/1.1\r\nx: ".to_vec();
    request.resize(HEADER_BYTES + 4096, b'a');
    let answer = talk(&mut stream, &request).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn clients_that_stall_never_keep_a_probe_from_being_answered() {
    // Their time is not up before the test's is: it is the number that lets go of the oldest.
    let address = server_within(PATIENCE * 2).await;
    let mut stalling = Vec::new();
    for _ in 0..CONNECTIONS * 2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        stalling.push(stream);
    }
    let mut probe = TcpStream::connect(address).await.unwrap();
    let answer = talk(&mut probe, b"GET / HTTP/1.1\r\nhost: node\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    // The oldest was closed for it.
    let closed = timeout(PATIENCE, stalling[0].read(&mut [0; 16])).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
}

#[tokio::test]
async fn a_client_that_stalls_is_let_go() {
    let soon = Duration::from_millis(50);
    // One says nothing, one half a header, one no second request.
    for (said, answer) in [
        ("", ""),
        ("GET / HTT", ""),
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404"),
    ] {
        let mut stream = TcpStream::connect(server_within(soon).await).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut text = String::new();
        let closed = timeout(PATIENCE, stream.read_to_string(&mut text)).await;
        assert!(closed.is_ok(), "{said:?} is still open");
        assert!(text.starts_with(answer), "{said:?}: {text}");
    }
}
