//! Which Services a change touches: a slice its owner, a Pod those that select it, a Node those whose endpoints
//! are hinted by what Nodes are like.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::pods::{Pods, Selectors};
use crate::{
    model::{Slices, sources},
    object::{Kind, Object, ObjectKey},
    slices::{self, Hinter, NodeShare},
    store::Store,
};

#[derive(Debug, Default)]
pub(super) struct Touch {
    /// The names of each Service's slices, sorted; they are of the Service's namespace.
    slices: HashMap<ObjectKey, Vec<Box<str>>>,
    /// The name of each slice's Service.
    owners: HashMap<ObjectKey, Box<str>>,
    pods: Pods,
    /// Kept from the first Pod on: where slices are given, none ever comes.
    selectors: Option<Selectors>,
    nodes: HashMap<ObjectKey, NodeShare>,
    hinter: Hinter,
    /// Services whose endpoints are hinted by what Nodes are like.
    spread: BTreeSet<ObjectKey>,
}

impl Touch {
    /// Takes in that these objects are other than before; the Services that must be compiled anew.
    pub(super) fn touched(
        &mut self,
        store: &Store,
        changed: &BTreeSet<ObjectKey>,
    ) -> BTreeSet<ObjectKey> {
        let mut touched = BTreeSet::new();
        let mut has_other_nodes = false;
        if self.selectors.is_none() && changed.iter().any(|key| key.kind == Kind::Pod) {
            self.selectors = Some(Selectors::of(store.objects(Kind::Service)));
        }
        for key in changed {
            let object = store.get(key).map(|held| &held.object);
            match key.kind {
                Kind::Service => {
                    self.service(key, object);
                    touched.insert(key.clone());
                }
                Kind::EndpointSlice => self.slice(key, object, &mut touched),
                Kind::Pod => self.pod(key, object, &mut touched),
                Kind::Node => has_other_nodes |= self.node(key, object),
            }
        }
        if has_other_nodes {
            let nodes = store.objects(Kind::Node);
            self.hinter = Hinter::new(nodes.filter_map(|held| held.object.node()));
            touched.extend(self.spread.iter().cloned());
        }
        touched
    }

    /// The slices of a Service, read or made.
    pub(super) fn slices<'a>(&self, store: &'a Store, object: &'a Object) -> Slices<'a> {
        let names = self.slices.get(&object.key).into_iter().flatten();
        let read = names.filter_map(|name| {
            let key = ObjectKey::of(Kind::EndpointSlice, &object.key.namespace, name);
            store.get(&key)?.object.slice()
        });
        sources::unite(read, self.made(store, object))
    }

    /// `None`: the Service selects no Pod at all.
    fn made(&self, store: &Store, object: &Object) -> Option<Vec<EndpointSlice>> {
        let service = object.service()?;
        let (_, selector) = slices::selector(service)?;
        let namespace = slices::namespace(&service.metadata);
        let pods = self.pods.selected(namespace, selector);
        if pods.is_empty() {
            return None;
        }
        let node = |name: &str| store.get(&ObjectKey::of_node(name))?.object.node();
        Some(slices::of_pods(service, pods, &node, &self.hinter))
    }

    fn service(&mut self, key: &ObjectKey, object: Option<&Arc<Object>>) {
        let service = object.and_then(|object| object.service());
        let selecting = service.and_then(|it| Some((it, slices::selector(it)?.1)));
        if let Some(selectors) = &mut self.selectors {
            selectors.replace(key, selecting.map(|(_, it)| it));
        }
        if selecting.is_some_and(|(service, _)| slices::is_spread(service)) {
            self.spread.insert(key.clone());
        } else {
            self.spread.remove(key);
        }
    }

    fn slice(
        &mut self,
        key: &ObjectKey,
        object: Option<&Arc<Object>>,
        touched: &mut BTreeSet<ObjectKey>,
    ) {
        let service = |name: &str| ObjectKey::of(Kind::Service, &key.namespace, name);
        let new = object.and_then(|object| sources::owner(object));
        let old = self.owners.get(key).map(|name| &**name);
        touched.extend(old.map(service));
        if old == new {
            return;
        }
        if let Some(old) = self.owners.remove(key).map(|name| service(&name))
            && let Some(names) = self.slices.get_mut(&old)
        {
            names.retain(|name| **name != *key.name);
            if names.is_empty() {
                self.slices.remove(&old);
            }
        }
        if let Some(name) = new {
            let names = self.slices.entry(service(name)).or_default();
            let place = names.partition_point(|name| **name < *key.name);
            names.insert(place, key.name.as_str().into());
            touched.insert(service(name));
            self.owners.insert(key.clone(), name.into());
        }
    }

    fn pod(
        &mut self,
        key: &ObjectKey,
        object: Option<&Arc<Object>>,
        touched: &mut BTreeSet<ObjectKey>,
    ) {
        let old = self.pods.replace(key, object.cloned());
        let Some(selectors) = &self.selectors else {
            return;
        };
        for pod in old.iter().chain(object) {
            let services = selectors.selecting(&key.namespace, pod);
            touched.extend(services.cloned());
        }
    }

    /// Whether what a Node decides is other than before.
    fn node(&mut self, key: &ObjectKey, object: Option<&Arc<Object>>) -> bool {
        let new = object.and_then(|object| object.node()).map(NodeShare::of);
        let old = match new.clone() {
            Some(new) => self.nodes.insert(key.clone(), new),
            None => self.nodes.remove(key),
        };
        old != new
    }
}
