//! The Pods by their labels, and the Services by what they select.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map},
    hash::Hash,
    sync::Arc,
};

use k8s_openapi::api::core::v1::Pod;

use crate::{
    object::{Object, ObjectKey},
    slices,
    store::Held,
};

/// A label in a namespace: namespace, label, value.
type Label = (String, String, String);

/// A selector, or a Pod's labels.
pub(super) type Labels = BTreeMap<String, String>;

/// All Pods.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// By each of their labels, and then by name.
    labelled: HashMap<Label, BTreeMap<String, Arc<Object>>>,
    known: HashMap<ObjectKey, Arc<Object>>,
}

/// All selectors.
#[derive(Debug, Default)]
pub(super) struct Selectors {
    /// Services by one label that they select by: one that few others have, at the time.
    by_label: HashMap<Label, BTreeSet<ObjectKey>>,
    known: HashMap<ObjectKey, (Label, Labels)>,
}

impl Pods {
    /// Takes in what a Pod is now; returns what it was.
    pub(super) fn replace(
        &mut self,
        key: &ObjectKey,
        new: Option<Arc<Object>>,
    ) -> Option<Arc<Object>> {
        let old = match &new {
            Some(new) => self.known.insert(key.clone(), Arc::clone(new)),
            None => self.known.remove(key),
        };
        for label in old.iter().flat_map(|old| labels(&key.namespace, old)) {
            remove(&mut self.labelled, label, |pods| {
                pods.remove(&key.name);
                pods.is_empty()
            });
        }
        if let Some(new) = new {
            for label in labels(&key.namespace, &new) {
                let pods = self.labelled.entry(label).or_default();
                pods.insert(key.name.clone(), Arc::clone(&new));
            }
        }
        old
    }

    /// The Pods that have every label of the selector, which must not be empty (rule 1.4.7).
    pub(super) fn selected(&self, namespace: &str, selector: &Labels) -> Vec<&Pod> {
        let sets = selector.iter().map(|(label, value)| {
            let key = (namespace.to_owned(), label.clone(), value.clone());
            self.labelled.get(&key)
        });
        let Some(sets) = sets.collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        let rarest = sets.into_iter().min_by_key(|pods| pods.len());
        let pods = rarest.into_iter().flat_map(BTreeMap::values);
        pods.filter(|pod| selects(selector, pod))
            .filter_map(|pod| pod.pod())
            .collect()
    }
}

impl Selectors {
    /// Those of Services that are there already.
    pub(super) fn of<'a>(services: impl Iterator<Item = &'a Held>) -> Self {
        let mut selectors = Self::default();
        for object in services.map(|held| &held.object) {
            let selector = object.service().and_then(slices::selector);
            selectors.replace(&object.key, selector.map(|(_, it)| it));
        }
        selectors
    }

    /// Takes in by which labels a Service selects now.
    pub(super) fn replace(&mut self, key: &ObjectKey, selector: Option<&Labels>) {
        if self.known.get(key).map(|(_, old)| old) == selector {
            return;
        }
        if let Some((label, _)) = self.known.remove(key) {
            remove(&mut self.by_label, label, |services| {
                services.remove(key);
                services.is_empty()
            });
        }
        let Some(selector) = selector else { return };
        let all = selector
            .iter()
            .map(|(label, value)| (key.namespace.clone(), label.clone(), value.clone()));
        let rarest = all.min_by_key(|label| self.by_label.get(label).map_or(0, BTreeSet::len));
        if let Some(label) = rarest {
            let services = self.by_label.entry(label.clone()).or_default();
            services.insert(key.clone());
            self.known.insert(key.clone(), (label, selector.clone()));
        }
    }

    /// The Services that select a Pod with these labels.
    pub(super) fn selecting<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a Object,
    ) -> impl Iterator<Item = &'a ObjectKey> {
        let services = labels(namespace, pod).filter_map(|label| self.by_label.get(&label));
        services.flatten().filter(|key| {
            let known = self.known.get(*key);
            known.is_some_and(|(_, selector)| selects(selector, pod))
        })
    }
}

fn labels<'a>(namespace: &'a str, pod: &'a Object) -> impl Iterator<Item = Label> + 'a {
    let labels = pod.body.metadata().labels.iter().flatten();
    labels.map(|(label, value)| (namespace.to_owned(), label.clone(), value.clone()))
}

fn selects(selector: &Labels, pod: &Object) -> bool {
    let mut selector = selector.iter();
    selector.all(|(label, value)| pod.label(label) == Some(value))
}

/// Takes something out of a set, and the set out of the map when `take` says that it is empty.
fn remove<K: Eq + Hash, S>(map: &mut HashMap<K, S>, key: K, take: impl FnOnce(&mut S) -> bool) {
    if let hash_map::Entry::Occupied(mut set) = map.entry(key)
        && take(set.get_mut())
    {
        set.remove();
    }
}
