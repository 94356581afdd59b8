//! The port, `--metrics-address`: `/metrics`, `/proxyMode` and `/healthz` (rule 3.10.7).

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::sleep,
};
use tower::ServiceExt as _;

use super::{Page, Vitals, text::Format};
use crate::health::{Connections, bind_all_families};

/// How often a port that is taken is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How long a request's header may take, and how long a connection may rest between two: longer than the usual
/// pause between scrapes.
const HEADER_WITHIN: Duration = Duration::from_secs(90);
const HEADER_BYTES: usize = 16 * 1024;
/// After an error such as "too many open files".
const BREATH: Duration = Duration::from_millis(100);
const TEXT: &str = "text/plain; charset=utf-8";

/// The port, open or to be opened; dropping it closes it.
#[derive(Debug)]
pub(crate) struct MetricsPort(JoinHandle<()>);

/// Pages are made one after the other: each costs the kernel work.
#[derive(Debug)]
struct Shared {
    page: Page,
    turn: Semaphore,
}

impl MetricsPort {
    /// Opens the port. One that is taken is a problem, never the end of the agent, and is tried again.
    pub(crate) fn open(address: SocketAddr, page: Page, vitals: Arc<Vitals>) -> Self {
        let listener = listen(address, &vitals);
        Self(tokio::spawn(hold(listener, address, page, vitals, RETRY)))
    }
}

impl Drop for MetricsPort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn hold(
    mut listener: Option<TcpListener>,
    address: SocketAddr,
    page: Page,
    vitals: Arc<Vitals>,
    retry: Duration,
) {
    let listener = loop {
        match listener.take() {
            Some(listener) => break listener,
            None => {
                sleep(retry).await;
                listener = listen(address, &vitals);
            }
        }
    };
    serve(listener, router(page)).await;
}

/// The open port, or a problem.
fn listen(address: SocketAddr, vitals: &Vitals) -> Option<TcpListener> {
    match open(address) {
        Ok(listener) => {
            vitals.set_problem(None);
            Some(listener)
        }
        Err(error) => {
            vitals.set_problem(Some(format!(
                "cannot listen at --metrics-address {address}: {error}; free the port or name another, it is tried again every 5 seconds"
            )));
            None
        }
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::from_std(bind_all_families(address)?.into())
}

fn router(page: Page) -> Router {
    let shared = Arc::new(Shared {
        page,
        turn: Semaphore::new(1),
    });
    Router::new()
        .route("/metrics", get(metrics))
        .route("/proxyMode", get(|| async { reply(TEXT, "tidegate") }))
        // As kube-proxy: that somebody answers is the answer; `/healthz` of --health-address knows more.
        .route("/healthz", get(|| async { reply(TEXT, "ok") }))
        .fallback(async || (StatusCode::NOT_FOUND, reply(TEXT, "404 page not found\n")))
        .with_state(shared)
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    // A list may come in several fields.
    let accept: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let format = Format::accepted(&accept.join(","));
    // Nobody closes it.
    let _turn = shared.turn.acquire().await;
    let page = Arc::clone(&shared);
    let made = tokio::task::spawn_blocking(move || page.page.render(format)).await;
    match made {
        Ok(Ok(page)) => reply(format.content_type(), page).into_response(),
        _ => {
            let why = reply(TEXT, "the page could not be made\n");
            (StatusCode::INTERNAL_SERVER_ERROR, why).into_response()
        }
    }
}

fn reply(kind: &'static str, body: impl IntoResponse) -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, kind), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, body)
}

/// Serves for as long as it is polled. Dropping it closes the socket and all connections.
async fn serve(listener: TcpListener, router: Router) {
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, _from)) => connections.add(serve_one(stream, router.clone())),
            Err(error) => {
                tracing::debug!("metrics: accept: {error}");
                sleep(BREATH).await;
            }
        }
    }
}

async fn serve_one(stream: TcpStream, router: Router) {
    let service = service_fn(move |request: Request<Incoming>| {
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!("metrics: {error}");
    }
}

#[cfg(test)]
mod tests;
