//! What is known of the cluster, and what of it has not been told yet.
//!
//! Of objects only the version is kept: who needs the content has it. So a new list after a long break
//! is compared with what was told, and only the difference is news.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use serde_json::Value;
use tidegate_control::{
    Body,
    manifest::{self, Parsed},
};

use crate::{
    Change, News,
    cord::Cord,
    follow::{Heard, Problem, What},
    item::{Content, Item},
    resource::Resource,
};

/// All that is known, and all that is new.
#[derive(Debug)]
pub(crate) struct Known {
    node_name: String,
    /// Resources of which nothing has been heard yet.
    awaited: BTreeSet<Resource>,
    /// Versions of the objects that count, by their file.
    versions: BTreeMap<Resource, BTreeMap<String, String>>,
    cord: Cord,
    /// Objects that are there as far as the listener knows.
    told: BTreeSet<String>,
    /// The Node as it was told: its heartbeats change nothing here.
    node: Option<Body>,
    service_cidrs: BTreeMap<String, Vec<String>>,
    problems: BTreeMap<Resource, Problem>,
    /// What is to be told; none stands for an object that is gone.
    pending: BTreeMap<String, Option<Parsed>>,
    /// When the first of it was heard of.
    since: Option<Instant>,
}

impl Known {
    pub(crate) fn new(node_name: String) -> Self {
        Self {
            node_name,
            awaited: BTreeSet::from(Resource::ALL),
            versions: BTreeMap::new(),
            cord: Cord::default(),
            told: BTreeSet::new(),
            node: None,
            service_cidrs: BTreeMap::new(),
            problems: BTreeMap::new(),
            pending: BTreeMap::new(),
            since: None,
        }
    }

    /// Takes in what was heard.
    pub(crate) fn take(&mut self, Heard { resource, what }: Heard) {
        match what {
            What::Listed(items) => self.replace(resource, items),
            What::Changed(item) => self.put(resource, item),
            What::Gone(file) => self.remove(resource, file),
            What::Absent(problem) => {
                self.replace(resource, Vec::new());
                self.set_problem(resource, problem);
            }
            What::Trouble(problem) => self.set_problem(resource, problem),
        }
    }

    /// Whether there is anything to tell.
    pub(crate) fn has_news(&self) -> bool {
        self.since.is_some()
    }

    /// Everything that is new. Before the first complete list that is what is wrong, and nothing else.
    pub(crate) fn news(&mut self) -> News {
        let is_complete = self.awaited.is_empty();
        let mut changes = Vec::new();
        if is_complete {
            for (file, object) in std::mem::take(&mut self.pending) {
                changes.extend(self.change(file, object));
            }
        }
        News {
            changes,
            problems: self.problems(),
            service_cidrs: self.service_cidrs.values().flatten().cloned().collect(),
            is_complete,
            heard: self.since.take().unwrap_or_else(Instant::now),
        }
    }

    fn change(&mut self, file: String, parsed: Option<Parsed>) -> Option<Change> {
        let Some(parsed) = parsed else {
            self.node = self.node.take().filter(|_| !is_node(&file));
            // What came and went between two batches was never there.
            return self.told.remove(&file).then_some(Change::Gone { file });
        };
        if is_node(&file) {
            let body = parsed.objects.first().map(|it| it.body.clone());
            if body.is_some() && body == self.node {
                return None;
            }
            self.node = body;
        }
        self.told.insert(file.clone());
        Some(Change::Put { file, parsed })
    }

    fn problems(&self) -> Vec<String> {
        // A server that is away is away for all of them: that is one line.
        let mut alike: BTreeMap<&Problem, Vec<&str>> = BTreeMap::new();
        for (resource, problem) in &self.problems {
            alike.entry(problem).or_default().push(resource.name());
        }
        let line = |(problem, names): (&Problem, Vec<&str>)| {
            let Problem { reason, meaning } = problem;
            let names = names.join(", ");
            format!("Kubernetes API: cannot read {names}: {reason}; {meaning}")
        };
        let mut lines: Vec<String> = alike.into_iter().map(line).collect();
        if self.awaited.is_empty() && self.lacks_node() {
            lines.push(format!(
                "Kubernetes API: there is no Node {:?}: its zone is not known; say --node-name",
                self.node_name
            ));
        }
        if self.cord.holds() {
            lines.push(
                "Kubernetes API: Service default/kubernetes has no endpoints; its last ones are kept"
                    .to_owned(),
            );
        }
        lines
    }

    fn lacks_node(&self) -> bool {
        let has_any = self
            .versions
            .get(&Resource::Node)
            .is_some_and(|it| !it.is_empty());
        !has_any && !self.problems.contains_key(&Resource::Node)
    }

    /// What is not in the list is gone.
    fn replace(&mut self, resource: Resource, items: Vec<Item>) {
        let mut before: BTreeSet<String> = self.files(resource).keys().cloned().collect();
        for item in items {
            before.remove(&item.file);
            self.put(resource, item);
        }
        for file in before {
            self.remove(resource, file);
        }
        if self.awaited.remove(&resource) {
            self.note();
        }
    }

    fn put(&mut self, resource: Resource, item: Item) {
        let Item {
            file,
            version,
            content,
        } = item;
        if matches!(content, Content::Foreign) {
            return self.remove(resource, file);
        }
        let files = self.files(resource);
        if !version.is_empty() && files.get(&file) == Some(&version) {
            return;
        }
        files.insert(file.clone(), version);
        match content {
            Content::Foreign => {}
            Content::Blocks(blocks) => drop(self.service_cidrs.insert(file, blocks)),
            Content::Own(object) => self.pass_own(resource, file, Some(object)),
            // It is the server's no more.
            Content::Object(_) if self.cord.knows(resource, &file) => {
                self.pass_own(resource, file, None);
            }
            Content::Object(parsed) => drop(self.pending.insert(file, Some(parsed))),
        }
        self.note();
    }

    fn remove(&mut self, resource: Resource, file: String) {
        if self.files(resource).remove(&file).is_none() {
            return;
        }
        if resource == Resource::ServiceCidrs {
            self.service_cidrs.remove(&file);
            return self.note();
        }
        if self.cord.knows(resource, &file) {
            self.pass_own(resource, file, None);
        } else {
            self.pending.insert(file, None);
        }
        self.note();
    }

    fn pass_own(&mut self, resource: Resource, file: String, object: Option<Value>) {
        for (file, object) in self.cord.take(resource, file, object) {
            let parsed = object.map(|object| manifest::settled(&file, object));
            self.pending.insert(file, parsed);
        }
    }

    fn files(&mut self, resource: Resource) -> &mut BTreeMap<String, String> {
        self.versions.entry(resource).or_default()
    }

    fn set_problem(&mut self, resource: Resource, problem: Option<Problem>) {
        let before = match problem {
            Some(new) => self.problems.insert(resource, new.clone()) != Some(new),
            None => self.problems.remove(&resource).is_some(),
        };
        if before {
            self.note();
        }
    }

    fn note(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }
}

fn is_node(file: &str) -> bool {
    file.starts_with("kubernetes: Node ")
}
