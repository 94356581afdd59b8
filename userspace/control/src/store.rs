//! The last good version of each object, and where it came from.
//!
//! A file is replaced as a whole. What is wrong in it never takes away what was right before:
//! an object that became invalid keeps its last good state, and where a document could not be
//! read at all, nothing of the file is removed, since any object may have been in it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::RangeInclusive,
    sync::Arc,
};

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

/// All objects from all files.
#[derive(Clone, Debug)]
pub struct Store {
    node_ports: RangeInclusive<u16>,
    /// All versions of an object, one a file, in the order in which they were first seen.
    objects: BTreeMap<ObjectKey, Vec<Held>>,
    files: HashMap<String, HashSet<ObjectKey>>,
    next_seen: u64,
    /// Counts changes of Services.
    version: u64,
    /// Objects that may be other than when somebody last asked.
    changed: BTreeSet<ObjectKey>,
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
            version: 0,
            changed: BTreeSet::new(),
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
        self.files.keys().map(String::as_str)
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

    /// All Services, the oldest first: by creation time, then by when they were first seen here.
    /// One without a creation time is newer than any that has one.
    pub fn services_by_age(&self) -> Vec<&Held> {
        let mut services: Vec<_> = self.objects(Kind::Service).collect();
        services.sort_by_key(|held| {
            (
                held.object.created.is_none(),
                held.object.created,
                held.first_seen,
            )
        });
        services
    }

    /// Another number than before: Services came, went or changed, and must be completed anew.
    pub fn version(&self) -> u64 {
        self.version
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

    /// Puts these in the place of what is written, and whatever else was there before is as written.
    pub fn complete(&mut self, services: Vec<Arc<Object>>) {
        let mut before = HashMap::new();
        for (key, versions) in &mut self.objects {
            let Some(held) = versions.first_mut() else {
                continue;
            };
            if !Arc::ptr_eq(&held.object, &held.written) {
                let was = std::mem::replace(&mut held.object, Arc::clone(&held.written));
                before.insert(key.clone(), was);
            }
        }
        for object in services {
            let versions = self.objects.get_mut(&object.key);
            let Some(held) = versions.and_then(|versions| versions.first_mut()) else {
                continue;
            };
            match before.remove(&object.key) {
                Some(was) if was == object => held.object = was,
                _ => {
                    self.changed.insert(object.key.clone());
                    held.object = object;
                }
            }
        }
        self.changed.extend(before.into_keys());
    }

    /// Keeps a file's version of an object; the problem is that another file had it first.
    fn put(&mut self, file: &str, object: Object) -> Option<Problem> {
        let key = object.key.clone();
        self.version += u64::from(key.kind == Kind::Service);
        self.changed.insert(key.clone());
        let object = Arc::new(object);
        let versions = self.objects.entry(key.clone()).or_default();
        match versions
            .iter_mut()
            .find(|held| &*held.object.origin.file == file)
        {
            Some(held) => {
                if held.written.body != object.body {
                    self.changes.add(key.kind);
                }
                held.object = Arc::clone(&object);
                held.written = Arc::clone(&object);
            }
            None => {
                self.changes.add(key.kind);
                versions.push(Held {
                    object: Arc::clone(&object),
                    written: Arc::clone(&object),
                    first_seen: self.next_seen,
                });
                self.next_seen += 1;
                self.files.entry(file.to_owned()).or_default().insert(key);
            }
        }
        let first = versions
            .first()
            .filter(|held| !Arc::ptr_eq(&held.object, &object))?;
        let reason = format!(
            "is already defined in {}; this one is ignored",
            first.object.origin
        );
        Some(Problem::with(&object, Severity::Error, reason))
    }

    fn retain(&mut self, file: &str, keep: impl Fn(&ObjectKey) -> bool) {
        let Some(keys) = self.files.get_mut(file) else {
            return;
        };
        for key in keys.extract_if(|key| !keep(key)) {
            self.version += u64::from(key.kind == Kind::Service);
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
