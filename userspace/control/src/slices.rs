//! Services, Pods and Nodes to EndpointSlices, as Kubernetes' own controller writes them (rules 1.4.x).
//!
//! A Service with a selector is enough then: nobody has to write slices. What is made here is of the
//! same type as what is read from files, and is not stored: the same Pods give the same slices.
//!
//! One thing differs from the controller, since files are written by hand: a Pod or a Node without any
//! conditions counts as ready, and a Pod whose Node is not known is an endpoint without a zone.

mod select;
mod target;
mod endpoint;
mod hints;
mod shares;
mod quantity;

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::{
    api::{
        core::v1::{Node, Pod, Service, ServiceSpec},
        discovery::v1::{Endpoint, EndpointSlice},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use tidegate_abi::Family;

use crate::{
    address,
    model::{
        labels,
        spec::{self, Type},
    },
};
pub(crate) use hints::{Hinter, is_spread};
use select::PodIndex;
pub(crate) use shares::NodeShare;

/// Who made a slice, as its label says; slices that others made are left alone.
pub const MANAGED_BY: &str = "endpointslices.tidegate.io";

/// Endpoints of one slice, at most (rule 1.3.12).
const SLICE_SIZE: usize = 100;

/// Labels that a slice never takes over from its Service (rule 1.4.8).
const RESERVED: [&str; 3] = [labels::SERVICE_NAME, labels::MANAGED_BY, labels::HEADLESS];

/// All slices of the Services.
pub fn make<'a>(
    services: impl IntoIterator<Item = &'a Service>,
    pods: impl IntoIterator<Item = &'a Pod>,
    nodes: impl IntoIterator<Item = &'a Node>,
) -> Vec<EndpointSlice> {
    let maker = SliceMaker::new(pods, nodes);
    let slices = services
        .into_iter()
        .map(|service| maker.of_service(service));
    slices.flatten().collect()
}

/// Pods and Nodes, ready to be asked for the slices of one Service after the other.
#[derive(Debug)]
pub struct SliceMaker<'a> {
    pods: PodIndex<'a>,
    nodes: HashMap<&'a str, &'a Node>,
    hinter: Hinter,
}

impl<'a> SliceMaker<'a> {
    /// Of all Pods and Nodes that there are.
    pub fn new(
        pods: impl IntoIterator<Item = &'a Pod>,
        nodes: impl IntoIterator<Item = &'a Node>,
    ) -> Self {
        let named = |node: &'a Node| Some((node.metadata.name.as_deref()?, node));
        let nodes: HashMap<_, _> = nodes.into_iter().filter_map(named).collect();
        Self {
            pods: PodIndex::new(pods),
            hinter: Hinter::new(nodes.values().copied()),
            nodes,
        }
    }

    /// Whether any Pod at all, of use or not, is selected by the Service.
    pub fn selects_any(&self, service: &Service) -> bool {
        selector(service).is_some_and(|(_, selector)| {
            let namespace = namespace(&service.metadata);
            self.pods.selected(namespace, selector).next().is_some()
        })
    }

    /// The slices of a Service; none for one that has no selector (rule 1.4.7).
    pub fn of_service(&self, service: &Service) -> Vec<EndpointSlice> {
        let Some((_, selector)) = selector(service) else {
            return Vec::new();
        };
        let pods = self.pods.selected(namespace(&service.metadata), selector);
        let node = |name: &str| self.nodes.get(name).copied();
        of_pods(service, pods.collect(), &node, &self.hinter)
    }
}

/// The slices of a Service that selects these Pods.
pub(crate) fn of_pods<'a>(
    service: &Service,
    mut pods: Vec<&Pod>,
    node: &dyn Fn(&str) -> Option<&'a Node>,
    hinter: &Hinter,
) -> Vec<EndpointSlice> {
    let Some((spec, _)) = selector(service) else {
        return Vec::new();
    };
    pods.retain(|pod| endpoint::is_one(pod));
    pods.sort_unstable_by_key(|pod| pod.metadata.name.as_deref());
    let families = families(spec).into_iter();
    families
        .flat_map(|family| {
            let mut slices = of_family((service, spec), &pods, node, family);
            hinter.hint(service, spec, &mut slices);
            slices
        })
        .collect()
}

/// Rules 1.4.4 and 1.4.6: a slice for each set of ports, and never none.
fn of_family<'a>(
    (service, spec): (&Service, &ServiceSpec),
    pods: &[&Pod],
    node: &dyn Fn(&str) -> Option<&'a Node>,
    family: Family,
) -> Vec<EndpointSlice> {
    let mut groups: BTreeMap<Vec<Option<u16>>, Vec<Endpoint>> = BTreeMap::new();
    for pod in pods {
        let name = pod.spec.as_ref().and_then(|it| it.node_name.as_deref());
        let node = name.and_then(node);
        if let Some(endpoint) = endpoint::of_pod(pod, node, service, spec, family) {
            groups
                .entry(target::numbers(spec, pod))
                .or_default()
                .push(endpoint);
        }
    }
    let mut slices = Vec::new();
    for (numbers, endpoints) in groups {
        let ports = target::slice_ports(spec, &numbers);
        let mut endpoints = endpoints.into_iter().peekable();
        while endpoints.peek().is_some() {
            slices.push(EndpointSlice {
                endpoints: Some(endpoints.by_ref().take(SLICE_SIZE).collect()),
                ports: Some(ports.clone()),
                ..empty(service, family, slices.len())
            });
        }
    }
    if slices.is_empty() {
        slices.push(empty(service, family, 0));
    }
    slices
}

/// The selector, where there is one to go by; a DNS name has no endpoints whatever it selects.
pub(crate) fn selector(service: &Service) -> Option<(&ServiceSpec, &BTreeMap<String, String>)> {
    let spec = service.spec.as_ref()?;
    let selector = spec.selector.as_ref().filter(|it| !it.is_empty())?;
    (Type::of(spec) != Type::ExternalName).then_some((spec, selector))
}

/// The families of the Service; both where nothing tells.
fn families(spec: &ServiceSpec) -> Vec<Family> {
    let listed = |family: Family| {
        let name = address::family_name(family);
        let by_name = spec.ip_families.iter().flatten().any(|it| it == name);
        by_name || spec::cluster_ips(spec).any(|ip| address::family(ip) == family)
    };
    let both = [Family::V4, Family::V6];
    let some: Vec<_> = both.into_iter().filter(|&family| listed(family)).collect();
    if some.is_empty() { both.into() } else { some }
}

/// A slice without ports and endpoints: the start of each, and the placeholder of rule 1.4.6.
fn empty(service: &Service, family: Family, index: usize) -> EndpointSlice {
    let name = service.metadata.name.clone().unwrap_or_default();
    let family = address::family_name(family);
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Service".to_owned(),
        name: name.clone(),
        uid: service.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    EndpointSlice {
        address_type: family.to_owned(),
        endpoints: Some(Vec::new()),
        metadata: ObjectMeta {
            name: Some(format!("{name}-{}-{index}", family.to_ascii_lowercase())),
            namespace: Some(namespace(&service.metadata).to_owned()),
            labels: Some(slice_labels(service, name)),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        ports: Some(Vec::new()),
    }
}

/// Rule 1.4.8.
fn slice_labels(service: &Service, name: String) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.retain(|label, _| !RESERVED.contains(&label.as_str()));
    let has_address = |spec: &ServiceSpec| spec::cluster_ips(spec).next().is_some();
    if !service.spec.as_ref().is_some_and(has_address) {
        labels.insert(labels::HEADLESS.to_owned(), String::new());
    }
    labels.insert(labels::SERVICE_NAME.to_owned(), name);
    labels.insert(labels::MANAGED_BY.to_owned(), MANAGED_BY.to_owned());
    labels
}

/// Input that names no namespace means this one.
pub(crate) fn namespace(metadata: &ObjectMeta) -> &str {
    let named = metadata.namespace.as_deref();
    named.filter(|name| !name.is_empty()).unwrap_or("default")
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod hint_tests;
