//! The endpoints of a service port: the union of its slices (rules 1.3.x).

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointHints, EndpointSlice};
use tidegate_abi::{Family, Proto};

use super::EndpointView;
use crate::{address, node::NodeFacts, validate};

/// An endpoint whose use is not decided yet.
pub(super) struct Candidate<'a> {
    pub(super) view: EndpointView,
    pub(super) hints: Option<&'a EndpointHints>,
}

/// The endpoints of the port with this name and protocol, once each, ordered by address and port.
pub(super) fn of_port<'a>(
    slices: &'a [Cow<'_, EndpointSlice>],
    (name, proto): (&str, Proto),
    family: Family,
    node: &NodeFacts,
) -> Vec<Candidate<'a>> {
    let mut found: BTreeMap<(IpAddr, u16), Candidate<'a>> = BTreeMap::new();
    // Rule 1.3.3: slices of the other family, or of names, are not for this half.
    let kind = address::family_name(family);
    for slice in slices.iter().filter(|slice| slice.address_type == kind) {
        for port in numbers(slice, name, proto) {
            for endpoint in slice.endpoints.iter().flatten() {
                let Some(ip) = first_address(endpoint) else {
                    continue;
                };
                let new = Candidate {
                    view: view(endpoint, (ip, port), node),
                    hints: endpoint.hints.as_ref(),
                };
                match found.get(&(ip, port)) {
                    Some(old) if rank(&old.view) >= rank(&new.view) => {}
                    _ => drop(found.insert((ip, port), new)),
                }
            }
        }
    }
    found.into_values().collect()
}

/// Rule 1.3.5: name and protocol match; the number is the slice's. Rule 1.3.4: no number, no port.
fn numbers(slice: &EndpointSlice, name: &str, proto: Proto) -> impl Iterator<Item = u16> {
    slice
        .ports
        .iter()
        .flatten()
        .filter(move |port| port.name.as_deref().unwrap_or_default() == name)
        .filter(move |port| validate::protocol(port.protocol.as_deref()) == Some(proto))
        .filter_map(|port| u16::try_from(port.port?).ok().filter(|&number| number != 0))
}

/// Rule 1.3.1: the first address is the endpoint.
fn first_address(endpoint: &Endpoint) -> Option<IpAddr> {
    address::parse(endpoint.addresses.first()?)
}

/// Of two entries for one address and port, one that is not terminating wins (rule 1.3.7), then the
/// one that is of more use: an endpoint that moves between slices never vanishes for a moment.
fn rank(view: &EndpointView) -> (bool, bool, bool) {
    (!view.terminating, view.ready, view.serving)
}

fn view(endpoint: &Endpoint, (ip, port): (IpAddr, u16), node: &NodeFacts) -> EndpointView {
    let conditions = endpoint.conditions.as_ref();
    let node_name = endpoint.node_name.clone().filter(|name| !name.is_empty());
    // Rule 1.3.11; where a slice names no node, a pod that is seen here is here, and so are the host's own addresses.
    let local = match &node_name {
        Some(name) => *name == node.name,
        None => node.local_pod_addresses.contains(&ip) || node.own_addresses.contains(&ip),
    };
    EndpointView {
        ip,
        port,
        node_name,
        local,
        // Rule 1.3.10.
        ready: conditions.and_then(|it| it.ready).unwrap_or(true),
        serving: conditions.and_then(|it| it.serving).unwrap_or(true),
        terminating: conditions.and_then(|it| it.terminating).unwrap_or(false),
        used_cluster: false,
        used_local: false,
        why: "",
    }
}
