//! Connections: not too many, none that waits for ever.
//!
//! A client has a while to send the head of a request, a while for each part of its body, a while until the
//! answer begins, and a while to read more of it; what goes on for long (a watch) may do so as long as it is read.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body, http::StatusCode, response::IntoResponse, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::{Instant, Sleep, sleep, timeout},
};
use tower::ServiceExt as _;

use super::{failure::Failure, patience::Patient};

/// For the request of a client that is turned away, and again for its reading the answer.
const TURNING_AWAY: Duration = Duration::from_secs(1);
const HEAD_MOST: usize = 16 << 10;

/// Limits of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at a time; more are told to come again.
    pub(super) connections: usize,
    /// For the head of a request; also how long a connection may be idle.
    pub(super) head: Duration,
    /// For more of a body.
    pub(super) body: Duration,
    /// Until an answer begins.
    pub(super) answer: Duration,
    /// Until the client reads more of an answer.
    pub(super) reading: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            head: Duration::from_secs(15),
            body: Duration::from_secs(10),
            // Somebody may wait for a device for five minutes.
            answer: Duration::from_secs(330),
            reading: Duration::from_secs(60),
        }
    }
}

/// Serves until the task is dropped.
pub(super) async fn serve(listener: UnixListener, router: Router, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _peer)) => stream,
            Err(error) => {
                // No descriptors are left, for example: others will end.
                tracing::warn!("the local API cannot take a connection: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            drop(tokio::spawn(turn_away(stream, limits)));
            continue;
        };
        let router = router.clone();
        drop(tokio::spawn(async move {
            connection(stream, router, limits).await;
            drop(place);
        }));
    }
}

async fn connection(stream: UnixStream, router: Router, limits: Limits) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = router
            .clone()
            .oneshot(request.map(|body| Body::new(Patient::new(body, limits.body))));
        async move {
            Ok::<_, Infallible>(match timeout(limits.answer, answer).await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_elapsed) => too_long(limits.answer),
            })
        }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    let stream = TokioIo::new(Impatient::new(stream, limits.reading));
    // The client went away, or sent what is no HTTP; it was told, if it can be.
    if let Err(error) = server.serve_connection(stream, service).await {
        tracing::debug!("a connection to the local API broke: {error}");
    }
}

fn too_long(limit: Duration) -> Response {
    let reason = format!("no answer within {} s", limit.as_secs());
    Failure::new(StatusCode::GATEWAY_TIMEOUT, reason).into_response()
}

/// Tells a client in plain text of HTTP what is wrong, without any of the machinery.
async fn turn_away(mut stream: UnixStream, limits: Limits) {
    let reason = format!(
        "{} connections are open, and no more are taken: close some, or try again",
        limits.connections
    );
    let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, reason);
    let body = serde_json::to_string(failure.status()).unwrap_or_default();
    let length = body.len();
    let text = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    // Clients take an answer that comes before they have asked for a fault of the connection.
    let _none = timeout(TURNING_AWAY, read_head(&mut stream)).await;
    let told = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        // Who still sends a body would break over a closed connection before it reads this.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    let _gone = timeout(TURNING_AWAY, told).await;
}

/// Reads to the end of a request's head, or of what a head may be.
async fn read_head(stream: &mut UnixStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while head.len() < HEAD_MOST {
        let length = stream.read(&mut piece).await?;
        // The end may have begun in the piece before.
        let from = head.len().saturating_sub(3);
        head.extend_from_slice(&piece[..length]);
        let ends = head[from..].windows(4).any(|end| end == b"\r\n\r\n");
        if length == 0 || ends {
            break;
        }
    }
    Ok(())
}

/// A stream that breaks when the other end takes nothing for too long.
struct Impatient {
    stream: UnixStream,
    limit: Duration,
    /// Set while a write waits.
    waits: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn new(stream: UnixStream, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            waits: None,
        }
    }

    /// What became of a write.
    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let limit = self.limit;
        let waits = self
            .waits
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        ready!(waits.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.judge(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
