//! The standalone store: objects that the local API keeps, and the view of all objects that it shows.
//!
//! A change goes this way: it is checked as a whole, reaches the disk as one transaction ([`journal`]), then
//! the view, then the reconcile loop as one batch; who asked for it hears when the maps have it. What fails
//! on the way to the disk has changed nothing anywhere.
//!
//! The view holds objects of other sources too (manifests, Kubernetes), as the loop tells them: they are
//! shown with the annotation `tidegate.io/source` and cannot be changed here.

mod document;
mod input;
mod journal;
mod key;
mod plan;
#[cfg(test)]
mod tests;
mod view;
mod watch;
mod write;

use std::{
    ops::RangeInclusive,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use serde_json::Value;
use tidegate_control::{Kind, Object, ObjectKey, manifest};
use tokio::sync::{mpsc, watch as channel};

pub(crate) use input::Item;
pub(crate) use watch::{Expired, Scope, Watch, event};
pub(crate) use write::{Applied, Order, Outcome, Refusal, Unknown, What};

use crate::sources::{Batch, Change, Source};
use journal::{Journal, Step};
use view::{Stored, View};

/// Says where an object comes from that is not of this store.
pub(crate) const SOURCE: &str = "tidegate.io/source";

/// The store, shared by the API and the reconcile loop.
#[derive(Clone, Debug)]
pub(crate) struct Objects(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node_ports: RangeInclusive<u16>,
    batches: mpsc::Sender<Batch>,
    /// One change at a time.
    journal: tokio::sync::Mutex<Journal>,
    view: Mutex<View>,
    /// The newest version, for those who watch.
    newest: channel::Sender<u64>,
}

impl Objects {
    /// The store of a directory, which nobody else may write to; changes are told as batches.
    pub(crate) fn open(
        directory: &Path,
        node_ports: RangeInclusive<u16>,
        batches: mpsc::Sender<Batch>,
    ) -> Result<Self> {
        let (journal, steps, version) = Journal::open(directory)?;
        let mut view = View::starting_at(version.max(this_moment()));
        for step in steps {
            match step {
                Step::Put { first, key, json } => {
                    let key = key::parse(&key, &journal.path())?;
                    view.load(key, Stored::new(first, json));
                }
                Step::Delete(key) => view.unload(&key::parse(&key, &journal.path())?),
            }
        }
        let newest = channel::Sender::new(view.version());
        Ok(Self(Arc::new(Inner {
            node_ports,
            batches,
            journal: journal.into(),
            view: view.into(),
            newest,
        })))
    }

    /// Whether nothing is stored.
    pub(crate) fn is_empty(&self) -> bool {
        self.view().stored_keys().is_empty()
    }

    /// Everything that is stored, as the first batch of this source: in the order in which it was made, for
    /// of two Services of the same age the one that came first wins.
    pub(crate) fn everything(&self) -> Batch {
        let mut all = self.view().stored();
        all.sort_by_key(|(_, stored)| stored.first);
        let change = |(key, stored): (ObjectKey, Arc<Stored>)| {
            let file = key::file(&key);
            let parsed = manifest::from_value(&file, document::parse(&stored.json));
            Change::Parsed { file, parsed }
        };
        Batch {
            source: Source::Api,
            changes: all.into_iter().map(change).collect(),
            heard: Instant::now(),
            ..Batch::default()
        }
    }

    /// Tells what the reconcile loop has made of objects, and that the maps have them.
    pub(crate) fn publish(
        &self,
        objects: impl IntoIterator<Item = (ObjectKey, Option<Arc<Object>>)>,
    ) {
        let mut view = self.view();
        view.set_published();
        for (key, object) in objects {
            view.publish(key, object);
        }
        self.0.newest.send_replace(view.version());
    }

    /// An object as it is shown.
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Value> {
        let shown = self.view().get(key)?;
        Some(shown.render())
    }

    /// The objects of a kind, or of a namespace of it, and the version of the list.
    pub(crate) fn list(&self, kind: Kind, namespace: Option<&str>) -> (u64, Vec<Value>) {
        let (version, shown) = {
            let view = self.view();
            (view.version(), view.list(kind, namespace))
        };
        (version, shown.iter().map(view::Shown::render).collect())
    }

    /// The whole standalone state, with the numbers that Services were given.
    pub(crate) fn snapshot(&self) -> (u64, Vec<Value>) {
        let (version, own) = {
            let view = self.view();
            (view.version(), view.own())
        };
        (version, own.iter().map(view::Shown::render).collect())
    }

    fn view(&self) -> MutexGuard<'_, View> {
        // A panic of another thread leaves the view whole: each change of it is one step.
        self.0.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Versions go on rising over restarts, though most changes of numbers are not stored.
fn this_moment() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A million changes a second before they meet; exact in a double until the year 2242.
    since.map_or(0, |since| since.as_secs() << 20)
}
