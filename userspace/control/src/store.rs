//! The last good version of each object, and where it came from.
//!
//! A file is replaced as a whole. What is wrong in it never takes away what was right before:
//! an object that became invalid keeps its last good state, and where a document could not be
//! read at all, nothing of the file is removed, since any object may have been in it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::RangeInclusive,
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;

use crate::{
    manifest::Parsed,
    object::{Kind, Object, ObjectKey},
    problem::{Problem, Severity},
    validate,
};

/// An object in the store.
#[derive(Clone, Debug)]
pub struct Held {
    /// The object's last good version; a Service with the numbers that it was given.
    pub object: Arc<Object>,
    /// The same as it is written.
    written: Arc<Object>,
    /// Order in which the store came to know objects; kept while the object is there.
    pub first_seen: u64,
}

/// Who is older: by creation time, then by when the store came to know of it. One without a creation time is
/// newer than any that has one.
pub type Age = (bool, Option<Timestamp>, u64);

impl Held {
    /// The object as it is written.
    pub(crate) fn written(&self) -> Arc<Object> {
        Arc::clone(&self.written)
    }

    /// How old the object is; no two have the same age.
    pub fn age(&self) -> Age {
        let created = self.object.created;
        (created.is_none(), created, self.first_seen)
    }
}

/// All objects from all files.
#[derive(Clone, Debug)]
pub struct Store {
    node_ports: RangeInclusive<u16>,
    /// All versions of an object, one a file, in the order in which they were first seen.
    objects: BTreeMap<ObjectKey, Vec<Held>>,
    /// The objects of each file: mostly one, for each object of an API server is a file of its own.
    files: HashMap<Arc<str>, Vec<ObjectKey>>,
    next_seen: u64,
    /// Objects that may be other than when somebody last asked.
    changed: BTreeSet<ObjectKey>,
    /// Services that may be written otherwise than when somebody last asked.
    rewritten: BTreeSet<ObjectKey>,
    changes: Changes,
}

/// How many objects were added, changed or removed so far; what was only written again does not count.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Services.
    pub services: u64,
    /// EndpointSlices.
    pub slices: u64,
}

impl Changes {
    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Service => self.services += 1,
            Kind::EndpointSlice => self.slices += 1,
            _ => {}
        }
    }
}

impl Store {
    /// An empty store; NodePorts must lie in the given range.
    pub fn new(node_ports: RangeInclusive<u16>) -> Self {
        Self {
            node_ports,
            objects: BTreeMap::new(),
            files: HashMap::new(),
            next_seen: 0,
            changed: BTreeSet::new(),
            rewritten: BTreeSet::new(),
            changes: Changes::default(),
        }
    }

    /// Takes what a file holds now. Returns everything that is wrong in the file.
    pub fn replace_file(&mut self, file: &str, parsed: Parsed) -> Vec<Problem> {
        let Parsed {
            objects,
            mut problems,
            refused,
            incomplete,
        } = parsed;
        let mut seen: HashMap<ObjectKey, usize> = HashMap::new();
        for mut object in objects {
            if *object.origin.file != *file {
                object.origin.file = file.into();
            }
            if let Some(document) = seen.get(&object.key) {
                let reason = format!("is already in document {document} of this file; ignored");
                problems.push(Problem::with(&object, Severity::Error, reason));
                continue;
            }
            seen.insert(object.key.clone(), object.origin.document);
            match validate::check(&object, &self.node_ports) {
                Ok(warnings) => {
                    problems.extend(warnings);
                    problems.extend(self.put(file, object));
                }
                Err(problem) => problems.push(problem),
            }
        }
        seen.extend(refused.into_iter().map(|key| (key, 0)));
        if !incomplete {
            self.retain(file, |key| seen.contains_key(key));
        }
        problems
    }

    /// Forgets a file and the objects in it; the same objects in other files take their place.
    pub fn remove_file(&mut self, file: &str) {
        self.retain(file, |_| false);
    }

    /// The names of all files that hold objects.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(|file| &**file)
    }

    /// The objects of a kind, one version of each, in the order of their keys.
    pub fn objects(&self, kind: Kind) -> impl Iterator<Item = &Held> {
        let first = ObjectKey {
            kind,
            namespace: String::new(),
            name: String::new(),
        };
        self.objects
            .range(first..)
            .take_while(move |(key, _)| key.kind == kind)
            .filter_map(|(_, versions)| versions.first())
    }

    /// An object by its key.
    pub fn get(&self, key: &ObjectKey) -> Option<&Held> {
        self.objects.get(key)?.first()
    }

    /// All Services, the oldest first.
    pub fn services_by_age(&self) -> Vec<&Held> {
        let mut services: Vec<_> = self.objects(Kind::Service).collect();
        services.sort_unstable_by_key(|held| held.age());
        services
    }

    /// Objects that came, went, changed or were completed otherwise since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.changed)
    }

    /// What changed so far.
    pub fn changes(&self) -> Changes {
        self.changes
    }

    /// All Services as they are written, the oldest first.
    pub fn written_services(&self) -> Vec<Arc<Object>> {
        let services = self.services_by_age().into_iter();
        services.map(|held| Arc::clone(&held.written)).collect()
    }

    /// An object as it is written.
    pub fn written(&self, key: &ObjectKey) -> Option<&Arc<Object>> {
        self.get(key).map(|held| &held.written)
    }

    /// Services that came, went, or are written otherwise since this was last asked.
    pub fn take_written(&mut self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.rewritten)
    }

    /// Of these Services, puts those that were completed in the place of what is written; the others are as they
    /// are written.
    pub fn complete(&mut self, asked: &BTreeSet<ObjectKey>, completed: Vec<Arc<Object>>) {
        let mut completed: HashMap<ObjectKey, Arc<Object>> = completed
            .into_iter()
            .map(|object| (object.key.clone(), object))
            .collect();
        for key in asked {
            let versions = self.objects.get_mut(key);
            let Some(held) = versions.and_then(|versions| versions.first_mut()) else {
                continue;
            };
            let new = completed.remove(key);
            let new = new.unwrap_or_else(|| Arc::clone(&held.written));
            if !Arc::ptr_eq(&held.object, &new) && held.object != new {
                held.object = new;
                self.changed.insert(key.clone());
            }
        }
    }

    /// Keeps a file's version of an object; the problem is that another file had it first.
    fn put(&mut self, file: &str, object: Object) -> Option<Problem> {
        let key = object.key.clone();
        let versions = self.objects.entry(key.clone());
        let versions = versions.or_insert_with(|| Vec::with_capacity(1));
        let is_from = |held: &Held| &*held.written.origin.file == file;
        let place = versions.iter().position(is_from);
        let object = match place.map(|place| &mut versions[place]) {
            // Written once more.
            Some(held) if *held.written == object => Arc::clone(&held.written),
            Some(held) => {
                if held.written.body != object.body {
                    self.changes.add(key.kind);
                }
                let object = Arc::new(object);
                held.object = Arc::clone(&object);
                held.written = Arc::clone(&object);
                self.note(&key);
                object
            }
            None => {
                let object = Arc::new(object);
                versions.push(Held {
                    object: Arc::clone(&object),
                    written: Arc::clone(&object),
                    first_seen: self.next_seen,
                });
                self.changes.add(key.kind);
                self.next_seen += 1;
                match self.files.get_mut(file) {
                    Some(keys) => keys.push(key.clone()),
                    None => {
                        let file = Arc::clone(&object.origin.file);
                        self.files.insert(file, vec![key.clone()]);
                    }
                }
                self.note(&key);
                object
            }
        };
        let first = self.objects.get(&key)?.first()?;
        let first = &first.written;
        let is_other = !Arc::ptr_eq(first, &object);
        is_other.then(|| {
            let reason = format!(
                "is already defined in {}; this one is ignored",
                first.origin
            );
            Problem::with(&object, Severity::Error, reason)
        })
    }

    /// The object is other than before.
    fn note(&mut self, key: &ObjectKey) {
        if key.kind == Kind::Service {
            self.rewritten.insert(key.clone());
        }
        self.changed.insert(key.clone());
    }

    fn retain(&mut self, file: &str, keep: impl Fn(&ObjectKey) -> bool) {
        let Some(keys) = self.files.get_mut(file) else {
            return;
        };
        for key in keys.extract_if(.., |key| !keep(key)) {
            if key.kind == Kind::Service {
                self.rewritten.insert(key.clone());
            }
            self.changed.insert(key.clone());
            self.changes.add(key.kind);
            if let Some(versions) = self.objects.get_mut(&key) {
                versions.retain(|held| &*held.object.origin.file != file);
                if versions.is_empty() {
                    self.objects.remove(&key);
                }
            }
        }
        if keys.is_empty() {
            self.files.remove(file);
        }
    }
}

#[cfg(test)]
mod tests;
