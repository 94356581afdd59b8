//! A probe: one HTTP request, and the answer to the byte.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tidegate_rig::Netns;

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("not JSON: {self:?}"))
    }

    /// The value of a header; names are told apart without their case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = fields.filter(|(it, _)| it.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }
}

pub(crate) fn request(from: &Netns, method: &str, to: SocketAddr, path: &str) -> Result<Answer> {
    let text = from.run(|| -> std::io::Result<String> {
        let patience = Duration::from_secs(5);
        let mut stream = TcpStream::connect_timeout(&to, patience)?;
        stream.set_read_timeout(Some(patience))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        let _bytes = stream.read_to_string(&mut text)?;
        Ok(text)
    })?;
    let (head, body) = text.split_once("\r\n\r\n").context("no header")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let (head, body) = (head.to_owned(), body.to_owned());
    Ok(Answer { status, head, body })
}

pub(crate) fn get(from: &Netns, to: SocketAddr, path: &str) -> Result<Answer> {
    request(from, "GET", to, path)
}

pub(crate) fn is_refused(from: &Netns, to: SocketAddr) -> bool {
    let error = get(from, to, "/").err();
    let error = error
        .as_ref()
        .and_then(|error| error.downcast_ref::<std::io::Error>());
    error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Tries until it succeeds, for longer than a busy machine takes.
pub(crate) fn soon<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match attempt() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}
