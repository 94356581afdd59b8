//! What the server knows: objects, their history, and how it is to behave.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{Cut, Fault, Kind, On, selector::Selector};

/// A request that was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// What was asked for.
    pub on: On,
    /// The text behind the question mark.
    pub query: String,
    /// Header `Authorization`.
    pub authorization: Option<String>,
}

/// The state, and how its changes are told.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// The newest version; open watches wait for it.
    pub(crate) newest: watch::Sender<u64>,
    /// How often all watches were cut, and how the last time.
    pub(crate) cuts: watch::Sender<(u64, Cut)>,
    /// How often all connections were closed.
    pub(crate) closes: watch::Sender<u64>,
    pub(crate) stops: watch::Sender<bool>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) version: u64,
    objects: BTreeMap<(Kind, String, String), Value>,
    log: Vec<Entry>,
    /// Watches from a version below it have expired.
    oldest: u64,
    /// What is left of lists that somebody reads page by page.
    pages: HashMap<String, (u64, VecDeque<Value>)>,
    page_count: u64,
    pub(crate) faults: VecDeque<(On, Fault)>,
    pub(crate) missing: BTreeSet<Kind>,
    pub(crate) forbidden: BTreeSet<Kind>,
    pub(crate) tokens: Option<BTreeSet<String>>,
    pub(crate) bookmark_every: Duration,
    pub(crate) expires_by_event: bool,
    pub(crate) ignores_selectors: bool,
    pub(crate) is_away: bool,
    pub(crate) asked: Vec<Asked>,
    pub(crate) watches: usize,
}

/// What happened to an object.
#[derive(Clone, Debug)]
struct Entry {
    version: u64,
    kind: Kind,
    before: Option<Value>,
    /// None: it was deleted.
    after: Option<Value>,
    /// The object that an event of its deletion carries.
    last: Value,
}

impl Default for Shared {
    fn default() -> Self {
        let state = State {
            version: 1,
            bookmark_every: Duration::from_secs(60),
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            newest: watch::Sender::new(1),
            cuts: watch::Sender::new((0, Cut::Clean)),
            closes: watch::Sender::new(0),
            stops: watch::Sender::new(false),
        }
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the lock has failed anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set<T>(&self, change: impl FnOnce(&mut State) -> T) {
        change(&mut self.lock());
    }

    pub(crate) fn put(&self, object: Value) {
        let version = self.lock().put(object);
        self.newest.send_replace(version);
    }

    pub(crate) fn delete(&self, kind: Kind, namespace: &str, name: &str) {
        let key = (kind, namespace.to_owned(), name.to_owned());
        let version = self.lock().delete(&key);
        self.newest.send_replace(version);
    }

    pub(crate) fn objects(&self, kind: Kind) -> Vec<Value> {
        self.lock().list(kind, &Selector::default())
    }

    pub(crate) fn cut(&self, how: Cut) -> usize {
        self.cuts.send_modify(|(count, last)| {
            *count += 1;
            *last = how;
        });
        self.watches()
    }

    pub(crate) fn compact(&self) {
        let mut state = self.lock();
        state.oldest = state.version;
        state.log.clear();
        state.pages.clear();
    }

    pub(crate) fn away(&self, is_away: bool) {
        self.lock().is_away = is_away;
        if is_away {
            self.closes.send_modify(|count| *count += 1);
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    pub(crate) fn watches(&self) -> usize {
        self.lock().watches
    }

    pub(crate) fn stop(&self) {
        self.stops.send_replace(true);
    }
}

impl State {
    fn put(&mut self, mut object: Value) -> u64 {
        let Some(kind) = Kind::of(&object) else {
            return self.version;
        };
        self.version += 1;
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(self.version.to_string());
        if kind.is_namespaced() && metadata["namespace"].is_null() {
            metadata["namespace"] = json!("default");
        }
        let text = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
        let key = (kind, text("namespace"), text("name"));
        if metadata["uid"].is_null() {
            metadata["uid"] = json!(format!("{}-{}-{}", kind.name(), key.1, key.2));
        }
        let before = self.objects.insert(key, object.clone());
        self.log.push(Entry {
            version: self.version,
            kind,
            before,
            last: object.clone(),
            after: Some(object),
        });
        self.version
    }

    fn delete(&mut self, key: &(Kind, String, String)) -> u64 {
        if let Some(before) = self.objects.remove(key) {
            self.version += 1;
            let mut last = before.clone();
            last["metadata"]["resourceVersion"] = json!(self.version.to_string());
            self.log.push(Entry {
                version: self.version,
                kind: key.0,
                before: Some(before),
                after: None,
                last,
            });
        }
        self.version
    }

    pub(crate) fn list(&self, kind: Kind, selector: &Selector) -> Vec<Value> {
        let of_kind = self.objects.iter().filter(|(key, _)| key.0 == kind);
        let selected = of_kind.filter(|(_, object)| selector.matches(object));
        selected.map(|(_, object)| object.clone()).collect()
    }

    /// Cuts a page off; the rest can be asked for with the text that is returned.
    pub(crate) fn page(
        &mut self,
        version: u64,
        items: &mut VecDeque<Value>,
        limit: usize,
    ) -> (Vec<Value>, Option<String>) {
        let page = items.drain(..limit.min(items.len())).collect();
        if items.is_empty() {
            return (page, None);
        }
        self.page_count += 1;
        let token = format!("page-{}", self.page_count);
        self.pages
            .insert(token.clone(), (version, std::mem::take(items)));
        (page, Some(token))
    }

    pub(crate) fn rest(&mut self, token: &str) -> Option<(u64, VecDeque<Value>)> {
        self.pages.remove(token)
    }

    pub(crate) fn forget_pages(&mut self) {
        self.pages.clear();
    }

    /// Events after a version, each with its version; or the oldest version that is still known.
    pub(crate) fn events(
        &self,
        kind: Kind,
        selector: &Selector,
        after: u64,
    ) -> Result<Vec<(u64, Value)>, u64> {
        if after < self.oldest {
            return Err(self.oldest);
        }
        // Each watch looks at each change: who walked the whole log would be what a benchmark measures.
        let begin = self.log.partition_point(|it| it.version <= after);
        let newer = self.log.iter().skip(begin).filter(|it| it.kind == kind);
        Ok(newer.filter_map(|entry| entry.event(selector)).collect())
    }

    /// Takes the fault that is meant for this request.
    pub(crate) fn fault(&mut self, on: On) -> Option<Fault> {
        let index = self.faults.iter().position(|(meant, _)| *meant == on)?;
        self.faults.remove(index).map(|(_, fault)| fault)
    }
}

impl Entry {
    /// Who selects objects sees one come when it begins to match, and go when it no longer does.
    fn event(&self, selector: &Selector) -> Option<(u64, Value)> {
        let matches =
            |object: &Option<Value>| object.as_ref().is_some_and(|it| selector.matches(it));
        let (name, object) = match (matches(&self.before), matches(&self.after)) {
            (false, true) => ("ADDED", &self.last),
            (true, true) => ("MODIFIED", &self.last),
            (true, false) => ("DELETED", &self.last),
            (false, false) => return None,
        };
        Some((self.version, json!({"type": name, "object": object})))
    }
}
