//! HTTP at one listening socket, with bounds: a client that is slow, or many that are, cost a little
//! memory for a little while and never keep a probe from being answered.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::reply::Reply;

/// What is answered at a path; it is asked on the thread that serves, so it must not wait.
pub(super) type Answer = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// How long a request's header may take, and how long a connection may rest between two.
const HEADER_WITHIN: Duration = Duration::from_secs(15);
/// A probe's header has a tenth of this; more is refused with 431.
const HEADER_BYTES: usize = 16 * 1024;
/// Connections at a time. One more, and the oldest is closed: a probe is answered within
/// milliseconds, so the oldest is the one that stalls.
const CONNECTIONS: usize = 64;
/// After an error such as "too many open files".
const BREATH: Duration = Duration::from_millis(100);

/// Serves for as long as it is polled. Dropping it closes the socket and all connections.
pub(super) async fn serve(listener: TcpListener, answer: Answer) {
    serve_within(listener, answer, HEADER_WITHIN).await;
}

async fn serve_within(listener: TcpListener, answer: Answer, header: Duration) {
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, _from)) => {
                connections.add(serve_one(stream, Arc::clone(&answer), header));
            }
            Err(error) => {
                tracing::debug!("health: accept: {error}");
                sleep(BREATH).await;
            }
        }
    }
}

async fn serve_one(stream: TcpStream, answer: Answer, header: Duration) {
    let service = service_fn(move |request: Request<Incoming>| {
        let reply = answer(request.uri().path());
        async { Ok::<_, Infallible>(reply) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!("health: {error}");
    }
}

/// The open connections, oldest first.
#[derive(Default)]
pub(crate) struct Connections {
    tasks: JoinSet<()>,
    oldest_first: VecDeque<AbortHandle>,
}

impl Connections {
    pub(crate) fn add(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.oldest_first.retain(|task| !task.is_finished());
        if self.oldest_first.len() >= CONNECTIONS
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            oldest.abort();
        }
        let task = self.tasks.spawn(connection);
        self.oldest_first.push_back(task);
    }
}

#[cfg(test)]
mod tests;
