//! Which Pods a selector means, without asking every Pod for every Service.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::Pod;

use super::namespace;

/// The Pods by namespace and by each of their labels.
#[derive(Debug)]
pub(super) struct PodIndex<'a>(HashMap<(&'a str, &'a str, &'a str), Vec<&'a Pod>>);

impl<'a> PodIndex<'a> {
    pub(super) fn new(pods: impl IntoIterator<Item = &'a Pod>) -> Self {
        let mut index: HashMap<_, Vec<_>> = HashMap::new();
        for pod in pods {
            let namespace = namespace(&pod.metadata);
            for (label, value) in pod.metadata.labels.iter().flatten() {
                let key = (namespace, label.as_str(), value.as_str());
                index.entry(key).or_default().push(pod);
            }
        }
        Self(index)
    }

    /// The Pods that have every label of the selector, which must not be empty (rule 1.4.7).
    pub(super) fn selected<'s>(
        &'s self,
        namespace: &'s str,
        selector: &'s BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'a Pod> + 's {
        let with = |(label, value): (&'s String, &'s String)| {
            let key = (namespace, label.as_str(), value.as_str());
            self.0.get(&key).map_or(&[][..], Vec::as_slice)
        };
        let rarest = selector.iter().map(with).min_by_key(|pods| pods.len());
        rarest.unwrap_or_default().iter().copied().filter(|pod| {
            let labels = pod.metadata.labels.as_ref();
            let has = |(label, value)| labels.and_then(|it| it.get(label)) == Some(value);
            selector.iter().all(has)
        })
    }
}
