//! A small Kubernetes API server for tests: it speaks list, watch, bookmarks and expiry as the real one
//! does, and fails when it is told to.
//!
//! Objects are put and deleted by the test, in process. Of the requests of a real server only lists and
//! watches are answered, which is all that a proxy asks for. It checks no object: what is put is what
//! is served, however odd.
//!
//! The server has its own thread, so that it works for tests that block, and it uses a listener that
//! the caller made, so that it can live in a network namespace in which the test is not.
#![forbid(unsafe_code)]

mod answer;
mod fault;
mod kind;
mod run;
mod selector;
mod state;
mod status;
mod stream;
mod tls;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use serde_json::Value;

pub use fault::{Cut, Fault, On};
pub use kind::Kind;
pub use state::Asked;
pub use tls::{Authority, Identity};

use state::Shared;

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    is_secure: bool,
    thread: Option<JoinHandle<()>>,
}

impl ApiServer {
    /// Serves without encryption.
    pub fn start(listener: TcpListener) -> io::Result<Self> {
        Self::launch(listener, None)
    }

    /// Serves with a certificate of this authority, and takes client certificates of it.
    pub fn start_secure(listener: TcpListener, authority: &Authority) -> io::Result<Self> {
        let config = authority.server(listener.local_addr()?.ip())?;
        Self::launch(listener, Some(config))
    }

    fn launch(listener: TcpListener, tls: Option<rustls::ServerConfig>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let is_secure = tls.is_some();
        let thread = run::spawn(listener, tls, Arc::clone(&shared))?;
        Ok(Self {
            shared,
            address,
            is_secure,
            thread: Some(thread),
        })
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Creates or replaces an object; its version is the next one.
    pub fn put(&self, object: Value) {
        self.shared.put(object);
    }

    /// Deletes an object, if it is there.
    pub fn delete(&self, kind: Kind, namespace: &str, name: &str) {
        self.shared.delete(kind, namespace, name);
    }

    /// All objects of a kind, in the order of their names.
    pub fn objects(&self, kind: Kind) -> Vec<Value> {
        self.shared.objects(kind)
    }

    /// Ends all open watches; returns how many there were.
    pub fn cut(&self, how: Cut) -> usize {
        self.shared.cut(how)
    }

    /// Forgets all events up to now: watches from an older version have expired. Pages of lists that
    /// somebody is reading have, too.
    pub fn compact(&self) {
        self.shared.compact();
    }

    /// Says that a version has expired with an `ERROR` event, or else with the HTTP status.
    pub fn expires_by_event(&self, is_event: bool) {
        self.shared.set(|it| it.expires_by_event = is_event);
    }

    /// Fails the next request of this sort. Several are used up one after the other.
    pub fn fail(&self, on: On, fault: Fault) {
        self.shared.set(|it| it.faults.push_back((on, fault)));
    }

    /// Closes all connections, and every new one at once; or is there again.
    pub fn away(&self, is_away: bool) {
        self.shared.away(is_away);
    }

    /// Has, or does not have, this resource.
    pub fn serves(&self, kind: Kind, is_served: bool) {
        self.shared.set(|it| match is_served {
            true => it.missing.remove(&kind),
            false => it.missing.insert(kind),
        });
    }

    /// Shows, or does not show, this resource to anybody.
    pub fn allows(&self, kind: Kind, is_allowed: bool) {
        self.shared.set(|it| match is_allowed {
            true => it.forbidden.remove(&kind),
            false => it.forbidden.insert(kind),
        });
    }

    /// Answers these bearer tokens only, and clients with a certificate. Open watches of others go on,
    /// as they do with the real one.
    pub fn tokens<const N: usize>(&self, tokens: [&str; N]) {
        let tokens = tokens.map(str::to_owned).into_iter().collect();
        self.shared.set(|it| it.tokens = Some(tokens));
    }

    /// How often open watches are told a bookmark, if they asked for any.
    pub fn bookmarks_every(&self, time: Duration) {
        self.shared.set(|it| it.bookmark_every = time);
    }

    /// Applies no selectors, as a server that does not know them would.
    pub fn ignores_selectors(&self) {
        self.shared.set(|it| it.ignores_selectors = true);
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked()
    }

    /// How many watches are open.
    pub fn watches(&self) -> usize {
        self.shared.watches()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            // A server that panicked has said so itself.
            let _panicked = thread.join();
        }
    }
}
