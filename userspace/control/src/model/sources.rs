//! The slices of each Service: those that were read, and those that its selector makes.

use std::{borrow::Cow, collections::HashMap};

use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::{Slices, labels};
use crate::{
    object::{Kind, Object},
    slices::SliceMaker,
    store::Store,
};

/// All slices of the store, by namespace and name of their Service, and the Pods beside them.
pub(super) struct Sources<'a> {
    read: HashMap<(&'a str, &'a str), Vec<&'a EndpointSlice>>,
    /// Without any Pod nothing is made.
    maker: Option<SliceMaker<'a>>,
}

impl<'a> Sources<'a> {
    pub(super) fn of(store: &'a Store) -> Self {
        let of_kind = |kind| store.objects(kind).map(|held| &*held.object);
        let mut read: HashMap<_, Vec<_>> = HashMap::new();
        for object in of_kind(Kind::EndpointSlice) {
            if let (Some(owner), Some(slice)) = (owner(object), object.slice()) {
                let key = (object.key.namespace.as_str(), owner);
                read.entry(key).or_default().push(slice);
            }
        }
        let mut pods = of_kind(Kind::Pod).filter_map(Object::pod).peekable();
        let maker = pods.peek().is_some().then(|| {
            let nodes = of_kind(Kind::Node).filter_map(Object::node);
            SliceMaker::new(pods, nodes)
        });
        Self { read, maker }
    }

    /// The slices of a Service.
    pub(super) fn of_service(&self, object: &'a Object) -> Slices<'a> {
        let key = (object.key.namespace.as_str(), object.key.name.as_str());
        let read = self.read.get(&key).into_iter().flatten().copied();
        let maker = object.service().zip(self.maker.as_ref());
        let selecting = maker.filter(|(service, maker)| maker.selects_any(service));
        unite(
            read,
            selecting.map(|(service, maker)| maker.of_service(service)),
        )
    }
}

/// The Service that a slice belongs to; none for slices of headless Services, and slices of nobody (rules
/// 1.2.2 and 1.3.2).
pub(crate) fn owner(object: &Object) -> Option<&str> {
    let owner = object.label(labels::SERVICE_NAME);
    owner.filter(|name| !name.is_empty() && object.label(labels::HEADLESS).is_none())
}

/// Slices of other authors are united with those that are made (rule 1.3.6); those of the cluster's own
/// controller say what the same Pods were like when they were copied, so they give way.
pub(crate) fn unite<'a>(
    read: impl Iterator<Item = &'a EndpointSlice>,
    made: Option<Vec<EndpointSlice>>,
) -> Slices<'a> {
    let Some(made) = made else {
        return read.map(Cow::Borrowed).collect();
    };
    let kept = read.filter(|slice| !is_of_cluster(slice));
    kept.map(Cow::Borrowed)
        .chain(made.into_iter().map(Cow::Owned))
        .collect()
}

fn is_of_cluster(slice: &EndpointSlice) -> bool {
    let labels = slice.metadata.labels.as_ref();
    let author = labels.and_then(|it| it.get(labels::MANAGED_BY));
    author.is_some_and(|it| it == labels::CLUSTER_CONTROLLER)
}
