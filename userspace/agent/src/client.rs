//! Asks an agent over its Unix socket.

use std::{io, path::Path};

use anyhow::Context;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::failure::Failure;

/// The answer to `GET path`.
pub(crate) async fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, Failure> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| refused(socket, &error))?;
    let broken = || format!("the agent at {} broke off", socket.display());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .with_context(broken)?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(HOST, "tidegate")
        .body(Empty::<Bytes>::new())
        .context("cannot make a request")?;
    let response = sender.send_request(request).await.with_context(broken)?;
    let is_success = response.status().is_success();
    let body = response
        .into_body()
        .collect()
        .await
        .with_context(broken)?
        .to_bytes();
    connection.abort();
    if !is_success {
        return Err(anyhow::anyhow!("the agent answers: {}", reason(&body)).into());
    }
    let answer = serde_json::from_slice(&body);
    Ok(answer.context("the agent's answer is not understood: are both of the same version?")?)
}

/// The sentence in an error answer.
fn reason(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    match value.get("error").and_then(|error| error.as_str()) {
        Some(reason) => reason.to_owned(),
        None => String::from_utf8_lossy(body).into_owned(),
    }
}

fn refused(socket: &Path, error: &io::Error) -> Failure {
    let shown = socket.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Failure::NoAgent(format!(
            "no agent at {shown}: start one with `tidegate run`, or name its socket with --api"
        )),
        _ => anyhow::anyhow!("cannot reach the agent at {shown}: {error}").into(),
    }
}
