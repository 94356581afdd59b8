//! All objects as the API shows them, and what happened to them lately.
//!
//! Each change has a version of its own, one higher than the one before. The last changes are kept, so that
//! whoever watches can go on where it stopped; who comes too late is told to list anew.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::Value;
use tidegate_control::{Kind, Object, ObjectKey};

use super::{document, key};

/// Changes that are kept for those who watch; each keeps an object that may be gone.
const KEPT: usize = 2048;

/// An object of this store.
#[derive(Debug)]
pub(super) struct Stored {
    /// The version at which it was made; it keeps it when it is replaced.
    pub(super) first: u64,
    pub(super) json: String,
}

/// What is known of an object.
#[derive(Clone, Debug, Default)]
struct Entry {
    version: u64,
    stored: Option<Arc<Stored>>,
    /// As the reconcile loop has it, with all numbers.
    seen: Option<Arc<Object>>,
}

/// An object at a version.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    version: u64,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Own(Arc<Stored>, Option<Arc<Object>>),
    Foreign(Arc<Object>),
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Happened {
    Added,
    Modified,
    Deleted,
}

/// A change.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) version: u64,
    pub(super) happened: Happened,
    pub(super) key: ObjectKey,
    pub(super) shown: Shown,
}

#[derive(Debug, Default)]
pub(super) struct View {
    entries: BTreeMap<ObjectKey, Entry>,
    version: u64,
    news: VecDeque<News>,
    /// All changes after this version are in `news`.
    forgotten: u64,
    /// The loop has written the maps at least once.
    is_published: bool,
}

impl Stored {
    pub(super) fn new(first: u64, json: String) -> Arc<Self> {
        Arc::new(Self { first, json })
    }
}

impl Shown {
    /// As JSON.
    pub(super) fn render(&self) -> Value {
        let value = match &self.content {
            Content::Own(stored, None) => document::parse(&stored.json),
            Content::Own(stored, Some(given)) => {
                document::with_numbers(document::parse(&stored.json), given)
            }
            Content::Foreign(object) => document::foreign(object),
        };
        document::with_version(value, self.version)
    }

    /// The file that the object comes from, if it is not of this store.
    pub(super) fn foreign(&self) -> Option<&str> {
        match &self.content {
            Content::Own(..) => None,
            Content::Foreign(object) => Some(&object.origin.file),
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
}

impl Entry {
    fn shown(&self) -> Option<Shown> {
        let seen = self.seen.as_ref();
        let content = match (&self.stored, seen) {
            // The same object in a manifest, which was there first.
            (_, Some(seen)) if !key::is_ours(&seen.origin.file) => {
                Content::Foreign(Arc::clone(seen))
            }
            (Some(stored), seen) => Content::Own(Arc::clone(stored), seen.cloned()),
            (None, _) => return None,
        };
        Some(Shown {
            version: self.version,
            content,
        })
    }
}

impl View {
    /// Without any object; the first change has the next version.
    pub(super) fn starting_at(version: u64) -> Self {
        Self {
            version,
            forgotten: version,
            ..Self::default()
        }
    }

    /// An object that was stored in an earlier life.
    pub(super) fn load(&mut self, key: ObjectKey, stored: Arc<Stored>) {
        let entry = self.entries.entry(key).or_default();
        entry.stored = Some(stored);
        entry.version = self.version;
    }

    /// An object that was deleted in an earlier life.
    pub(super) fn unload(&mut self, key: &ObjectKey) {
        self.entries.remove(key);
    }

    /// The version of the last change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// All changes after a version; `None`: some of them are forgotten, or it is of the future.
    pub(super) fn since(&self, version: u64, most: usize) -> Option<Vec<News>> {
        if version < self.forgotten || version > self.version {
            return None;
        }
        // Each change raises the version by one.
        let skip = usize::try_from(version - self.forgotten).unwrap_or(usize::MAX);
        Some(self.news.iter().skip(skip).take(most).cloned().collect())
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<Shown> {
        self.entries.get(key)?.shown()
    }

    pub(super) fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Shown> {
        let first = ObjectKey {
            kind,
            namespace: namespace.unwrap_or_default().to_owned(),
            name: String::new(),
        };
        self.entries
            .range(first..)
            .take_while(|(key, _)| {
                key.kind == kind && namespace.is_none_or(|namespace| key.namespace == namespace)
            })
            .filter_map(|(_, entry)| entry.shown())
            .collect()
    }

    /// The objects of this store.
    pub(super) fn stored(&self) -> Vec<(ObjectKey, Arc<Stored>)> {
        let own = self.entries.iter().filter_map(|(key, entry)| {
            let stored = entry.stored.as_ref()?;
            Some((key.clone(), Arc::clone(stored)))
        });
        own.collect()
    }

    /// The keys of the objects of this store.
    pub(super) fn stored_keys(&self) -> Vec<ObjectKey> {
        let own = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.stored.is_some());
        own.map(|(key, _)| key.clone()).collect()
    }

    /// Whether the loop has written the maps at least once.
    pub(super) fn is_published(&self) -> bool {
        self.is_published
    }

    /// The loop has written the maps.
    pub(super) fn set_published(&mut self) {
        self.is_published = true;
    }

    /// The stored object, whether it is shown or not.
    pub(super) fn stored_at(&self, key: &ObjectKey) -> Option<&Arc<Stored>> {
        self.entries.get(key)?.stored.as_ref()
    }

    /// The objects of this store as they are shown, but those that hide behind another source's.
    pub(super) fn own(&self) -> Vec<Shown> {
        let shown = self.entries.values().filter_map(Entry::shown);
        shown.filter(|shown| shown.foreign().is_none()).collect()
    }

    /// Takes in that an object is stored, or not any more. Numbers that another version of it was given are
    /// not shown with it, until the loop has told its own.
    pub(super) fn store(
        &mut self,
        key: ObjectKey,
        stored: Option<Arc<Stored>>,
        keeps_numbers: bool,
    ) {
        self.change(key, |entry| {
            entry.stored = stored;
            let is_own = |seen: &Arc<Object>| key::is_ours(&seen.origin.file);
            if !keeps_numbers && entry.seen.as_ref().is_some_and(is_own) {
                entry.seen = None;
            }
        });
    }

    /// Takes in what the loop has made of an object.
    pub(super) fn publish(&mut self, key: ObjectKey, seen: Option<Arc<Object>>) {
        let entry = self.entries.get(&key);
        let was = entry.and_then(|entry| entry.seen.as_ref());
        let is_own = |object: &Arc<Object>| key::is_ours(&object.origin.file);
        let is_known = match (was, &seen) {
            (None, None) => true,
            (Some(was), Some(seen)) => was == seen,
            // As it was stored: nothing was given to it.
            (None, Some(seen)) => {
                is_own(seen) && entry.is_some_and(|entry| has_nothing_new(entry, seen))
            }
            _ => false,
        };
        if !is_known {
            self.change(key, |entry| entry.seen = seen);
        } else if let (Some(entry), Some(_)) = (self.entries.get_mut(&key), &seen) {
            entry.seen = seen;
        }
    }

    fn change(&mut self, key: ObjectKey, change: impl FnOnce(&mut Entry)) {
        let entry = self.entries.entry(key.clone()).or_default();
        let before = entry.shown();
        change(entry);
        let next = self.version + 1;
        let (happened, shown) = match (before, entry.shown()) {
            (None, None) => {
                if entry.stored.is_none() && entry.seen.is_none() {
                    self.entries.remove(&key);
                }
                return;
            }
            (None, Some(shown)) => (Happened::Added, shown),
            (Some(_), Some(shown)) => (Happened::Modified, shown),
            (Some(shown), None) => (Happened::Deleted, shown),
        };
        entry.version = next;
        self.version = next;
        self.news.push_back(News {
            version: next,
            happened,
            key,
            shown: Shown {
                version: next,
                ..shown
            },
        });
        if self.news.len() > KEPT
            && let Some(first) = self.news.pop_front()
        {
            self.forgotten = first.version;
        }
    }
}

/// Whether the loop has the object just as it is stored.
fn has_nothing_new(entry: &Entry, seen: &Object) -> bool {
    let stored = entry.stored.as_ref();
    stored.is_some_and(|stored| document::names_all_of(&stored.json, seen))
}
