//! One list, one watch: what goes over the wire, and what is understood of the answer.

use std::{pin::Pin, time::Duration};

use futures::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};
use kube::{
    Client,
    api::{ListParams, VersionMatch, WatchParams},
    core::Request,
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::time::timeout;

use crate::{
    item::Item,
    resource::Resource,
    trouble::{Trouble, chain},
};

/// Objects of one page, as kube-proxy asks for them.
const PAGE: u32 = 500;
/// Far beyond the largest object that a server stores.
const LONGEST_LINE: u64 = 64 << 20;

/// What to ask for.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) resource: Resource,
    pub(crate) node_name: String,
    /// How long an answer may take.
    pub(crate) answer: Duration,
}

/// Where a list comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// Out of the server's memory, however old, all at once: a start of all nodes costs the store nothing.
    Any,
    /// The newest there is, page by page: after our version has expired nothing older may come back.
    Newest,
}

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Item>,
    pub(crate) version: Option<String>,
    /// There is more.
    pub(crate) next: Option<String>,
}

/// One event of a watch.
#[derive(Debug)]
pub(crate) enum Event {
    Changed(Value),
    Gone(Value),
    Bookmark(Value),
}

#[derive(Deserialize)]
struct ListBody<'a> {
    metadata: ListMeta,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

/// Asks for a page; without a limit where pages expire faster than they are read.
pub(crate) async fn list(
    client: &Client,
    query: &Query,
    freshness: Freshness,
    (next, is_paged): (Option<&str>, bool),
) -> Result<Page, Trouble> {
    let is_cached = freshness == Freshness::Any;
    let params = ListParams {
        label_selector: query.resource.labels(),
        field_selector: query.resource.fields(&query.node_name),
        // Servers give a list with a limit out of their store.
        limit: (is_paged && !is_cached).then_some(PAGE),
        continue_token: next.map(str::to_owned),
        resource_version: is_cached.then(|| "0".to_owned()),
        version_match: is_cached.then_some(VersionMatch::NotOlderThan),
        ..ListParams::default()
    };
    let request = Request::new(query.resource.path()).list(&params);
    let request = request.map_err(|error| Trouble::broken(error.to_string()))?;
    let text = in_time(query.answer, client.request_text(request)).await??;
    let broken =
        |error: serde_json::Error| Trouble::broken(format!("the list cannot be read: {error}"));
    let body: ListBody<'_> = serde_json::from_str(&text).map_err(broken)?;
    // One after the other, for a tree of JSON is large.
    let mut items = Vec::new();
    for raw in body.items.unwrap_or_default() {
        let object = serde_json::from_str(raw.get()).map_err(broken)?;
        items.extend(Item::of(query.resource, object, &query.node_name));
    }
    let some = |text: Option<String>| text.filter(|it| !it.is_empty());
    Ok(Page {
        items,
        version: some(body.metadata.resource_version),
        next: some(body.metadata.next),
    })
}

/// Opens a watch that begins after this version.
pub(crate) async fn watch(
    client: &Client,
    query: &Query,
    version: &str,
    lasts: Duration,
) -> Result<Watch, Trouble> {
    let params = WatchParams {
        label_selector: query.resource.labels(),
        field_selector: query.resource.fields(&query.node_name),
        timeout: u32::try_from(lasts.as_secs().max(1)).ok(),
        bookmarks: true,
        send_initial_events: false,
    };
    let request = Request::new(query.resource.path()).watch(&params, version);
    let request = request.map_err(|error| Trouble::broken(error.to_string()))?;
    let stream = in_time(query.answer, client.request_stream(request)).await??;
    Ok(Watch {
        stream: Box::pin(stream),
        line: Vec::new(),
        // The server ends it; who says nothing much later is gone.
        silence: lasts + query.answer,
    })
}

/// An open watch.
pub(crate) struct Watch {
    stream: Pin<Box<dyn AsyncBufRead + Send>>,
    /// What has come of the line so far.
    line: Vec<u8>,
    silence: Duration,
}

impl Watch {
    /// The next event; none: the server has ended the watch. May be dropped at any time: nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Trouble> {
        loop {
            let mut limited = (&mut self.stream).take(LONGEST_LINE);
            let read = limited.read_until(b'\n', &mut self.line);
            let read = in_time(self.silence, read).await?;
            read.map_err(|error| Trouble::broken(chain(&error)))?;
            let line = std::mem::take(&mut self.line);
            match line.strip_suffix(b"\n") {
                None if line.is_empty() => return Ok(None),
                // Half a line is no event, even if it looks like one: it comes again.
                None => {
                    return Err(Trouble::broken(
                        "the watch broke off in the middle of a line",
                    ));
                }
                Some(text) if text.trim_ascii().is_empty() => {}
                Some(text) => return event(text).map(Some),
            }
        }
    }
}

fn event(text: &[u8]) -> Result<Event, Trouble> {
    let line: Line = serde_json::from_slice(text)
        .map_err(|error| Trouble::broken(format!("an event cannot be read: {error}")))?;
    match line.kind.as_str() {
        "ADDED" | "MODIFIED" => Ok(Event::Changed(line.object)),
        "DELETED" => Ok(Event::Gone(line.object)),
        "BOOKMARK" => Ok(Event::Bookmark(line.object)),
        "ERROR" => Err(Trouble::of_event(line.object)),
        other => Err(Trouble::broken(format!("an event is called {other:?}"))),
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Trouble> {
    timeout(limit, work)
        .await
        .map_err(|_elapsed| Trouble::broken(format!("no answer in {} s", limit.as_secs())))
}
