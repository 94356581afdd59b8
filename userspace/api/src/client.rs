//! Asks an agent over its Unix socket.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, task::JoinHandle};

use crate::{Cause, StatusError};

/// Why there is no answer. Each text is one line: what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers at the socket.
    #[error("{0}")]
    NoAgent(String),
    /// The agent answers, and refuses: the HTTP status and its reason.
    #[error("the agent answers: {reason}")]
    Refused {
        /// HTTP status, such as 404.
        status: u16,
        /// The agent's own words.
        reason: String,
        /// Everything that is wrong, one by one.
        causes: Vec<Cause>,
    },
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// The answer to `GET path`.
pub async fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, Error> {
    answer(ask(socket, Method::GET, path, None).await?).await
}

/// Sends a value as JSON, and reads the answer.
pub async fn send<B, T>(socket: &Path, method: Method, path: &str, body: &B) -> Result<T, Error>
where
    B: Serialize + ?Sized,
    T: DeserializeOwned,
{
    let text = serde_json::to_vec(body).context("cannot write JSON")?;
    answer(ask(socket, method, path, Some(text)).await?).await
}

/// Sends a request without a body, and reads the answer.
pub async fn call<T>(socket: &Path, method: Method, path: &str) -> Result<T, Error>
where
    T: DeserializeOwned,
{
    answer(ask(socket, method, path, None).await?).await
}

/// Follows an answer that goes on: one JSON value a line.
pub async fn follow(socket: &Path, path: &str) -> Result<Lines, Error> {
    let Answer {
        response,
        connection,
    } = ask(socket, Method::GET, path, None).await?;
    if !response.status().is_success() {
        let status = response.status().as_u16();
        let body = response.into_body().collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        return Err(refusal(status, &body));
    }
    Ok(Lines {
        body: response.into_body(),
        rest: Vec::new(),
        socket: socket.to_owned(),
        connection,
    })
}

/// Lines of an answer that goes on.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    rest: Vec<u8>,
    socket: PathBuf,
    connection: JoinHandle<Result<(), hyper::Error>>,
}

impl Lines {
    /// The next value; `None`: the agent has ended the answer.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        loop {
            if let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let value = serde_json::from_slice(&line);
                return Ok(Some(value.with_context(not_understood)?));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.with_context(|| broke_off(&self.socket))?;
            if let Ok(data) = frame.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

struct Answer {
    response: Response<Incoming>,
    connection: JoinHandle<Result<(), hyper::Error>>,
}

async fn ask(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Answer, Error> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| refused(socket, &error))?;
    let broken = || broke_off(socket);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .with_context(broken)?;
    let connection = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "tidegate");
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let request = request
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .context("cannot make a request")?;
    let response = sender.send_request(request).await;
    let response = response.map_err(|error| {
        // hyper's own words are about its insides.
        if error.is_canceled() || error.is_closed() {
            anyhow::anyhow!("{}: it stops, or is overrun: try again", broken())
        } else {
            anyhow::Error::new(error).context(broken())
        }
    })?;
    Ok(Answer {
        response,
        connection,
    })
}

async fn answer<T: DeserializeOwned>(answer: Answer) -> Result<T, Error> {
    let status = answer.response.status();
    let body = answer.response.into_body().collect().await;
    answer.connection.abort();
    let body = body
        .context("the agent broke off in the middle of its answer")?
        .to_bytes();
    if !status.is_success() {
        return Err(refusal(status.as_u16(), &body));
    }
    Ok(serde_json::from_slice(&body).with_context(not_understood)?)
}

fn refusal(status: u16, body: &[u8]) -> Error {
    let (reason, causes) = match serde_json::from_slice::<StatusError>(body) {
        Ok(said) => (said.message, said.details.unwrap_or_default().causes),
        Err(_not_ours) => (String::from_utf8_lossy(body).into_owned(), Vec::new()),
    };
    Error::Refused {
        status,
        reason,
        causes,
    }
}

fn not_understood() -> &'static str {
    "the agent's answer is not understood: are both of the same version?"
}

fn broke_off(socket: &Path) -> String {
    format!("the agent at {} broke off", socket.display())
}

fn refused(socket: &Path, error: &io::Error) -> Error {
    let shown = socket.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::NoAgent(format!(
            "no agent at {shown}: start one with `tidegate run`, or name its socket with --api"
        )),
        io::ErrorKind::PermissionDenied => anyhow::anyhow!(
            "no permission for the agent's socket {shown}: run as root, or as a member of the socket's group"
        )
        .into(),
        _ => anyhow::anyhow!("cannot reach the agent at {shown}: {error}").into(),
    }
}
