//! An open watch: lines, as things happen, until its time is over or somebody cuts it.

use std::{collections::VecDeque, io, sync::Arc};

use futures::Stream;
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until},
};

use crate::{Cut, Fault, answer::Question, state::Shared, status::status};

type Chunk = io::Result<Frame<Bytes>>;

/// The watch.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    question: Question,
    /// Everything up to here has been told.
    version: u64,
    waiting: VecDeque<Value>,
    newest: Receiver<u64>,
    cuts: Receiver<(u64, Cut)>,
    until: Instant,
    bookmark: Instant,
    fault: Option<Fault>,
    end: Option<Cut>,
}

impl Watch {
    pub(crate) fn new(
        shared: Arc<Shared>,
        question: Question,
        version: u64,
        first: Option<Value>,
        fault: Option<Fault>,
    ) -> Self {
        let every = {
            let mut state = shared.lock();
            state.watches += 1;
            state.bookmark_every
        };
        let now = Instant::now();
        Self {
            version,
            // An error is all that is said.
            end: first.as_ref().map(|_| Cut::Clean),
            waiting: first.into_iter().collect(),
            newest: shared.newest.subscribe(),
            cuts: shared.cuts.subscribe(),
            until: now + question.lasts,
            bookmark: now + every,
            fault,
            shared,
            question,
        }
    }

    /// The next piece of the answer; none: it is complete.
    async fn next(&mut self) -> Option<Chunk> {
        if let Some(chunk) = self.faulty() {
            return chunk;
        }
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(Ok(line(&event)));
            }
            match self.end.take() {
                Some(Cut::Clean) => return None,
                Some(_) => return Some(Err(io::Error::other("cut"))),
                None => {}
            }
            self.look();
            if !self.waiting.is_empty() {
                continue;
            }
            tokio::select! {
                _changed = self.newest.changed() => {}
                changed = self.cuts.changed() => {
                    let (_, how) = *self.cuts.borrow_and_update();
                    self.end = Some(if changed.is_ok() { how } else { Cut::Abrupt });
                    if how == Cut::HalfLine {
                        let half = Bytes::from_static(br#"{"type":"MODIFIED","object":{"kind":"Ser"#);
                        return Some(Ok(Frame::data(half)));
                    }
                }
                () = sleep_until(self.until) => return None,
                () = sleep_until(self.bookmark), if self.question.wants_bookmarks => self.mark(),
            }
        }
    }

    /// Gathers what is new.
    fn look(&mut self) {
        let state = self.shared.lock();
        let (kind, selector) = (self.question.kind, &self.question.selector);
        match state.events(kind, selector, self.version) {
            Ok(events) => {
                self.version = state.version;
                self.waiting
                    .extend(events.into_iter().map(|(_, event)| event));
            }
            // Compacted while it was open: the real server goes on from memory, or ends the watch.
            Err(_) => self.end = Some(Cut::Clean),
        }
        if self.end.is_some() {
            self.waiting.clear();
        }
    }

    fn mark(&mut self) {
        self.bookmark = Instant::now() + self.shared.lock().bookmark_every;
        let kind = self.question.kind;
        self.waiting.push_back(json!({"type": "BOOKMARK", "object": {
            "kind": kind.name(), "apiVersion": kind.api_version(),
            "metadata": {"resourceVersion": self.version.to_string(), "creationTimestamp": null},
        }}));
    }

    /// What the fault makes of the first piece, if it makes anything of it.
    fn faulty(&mut self) -> Option<Option<Chunk>> {
        let data = |text: &'static [u8]| Some(Ok(Frame::data(Bytes::from_static(text))));
        match self.fault.take()? {
            Fault::EndsAtOnce => Some(None),
            Fault::BreaksOff => {
                self.end = Some(Cut::Abrupt);
                Some(data(br#"{"type":"ADDED","#))
            }
            Fault::Garbage => Some(data(b"{\"type\": what is this}\n")),
            Fault::ErrorEvent(code) => {
                let status = status(code, "the test says so", None);
                self.end = Some(Cut::Clean);
                Some(Some(Ok(line(&json!({"type": "ERROR", "object": status})))))
            }
            _ => None,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().watches -= 1;
    }
}

fn line(event: &Value) -> Frame<Bytes> {
    Frame::data(Bytes::from(format!("{event}\n")))
}

/// The watch as a body.
pub(crate) fn lines(watch: Watch) -> impl Stream<Item = Chunk> + Send {
    futures::stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((chunk, watch))
    })
}
