//! Which node or zone an endpoint is meant for (rule 2.2.9).

use k8s_openapi::api::{
    core::v1::{Node, Service, ServiceSpec},
    discovery::v1::{Endpoint, EndpointHints, EndpointSlice, ForNode, ForZone},
};

use super::shares::{self, ZoneShares};
use crate::model::{labels, spec};

/// Writes hints, knowing the Nodes.
#[derive(Debug, Default)]
pub(crate) struct Hinter {
    shares: Option<ZoneShares>,
}

/// How a Service wants its traffic spread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Spread {
    Anywhere,
    SameZone,
    SameNode,
    /// To zones, in proportion to the processors that each of them has.
    Proportional,
}

impl Spread {
    /// The annotation wins over the field, and of the annotations the older one.
    fn of(service: &Service, spec: &ServiceSpec) -> Self {
        let mode = spec::annotation(service, labels::TOPOLOGY_HINTS)
            .or_else(|| spec::annotation(service, labels::TOPOLOGY_MODE));
        if matches!(mode, Some("Auto" | "auto")) {
            return Self::Proportional;
        }
        match spec.traffic_distribution.as_deref() {
            Some("PreferClose" | "PreferSameZone") => Self::SameZone,
            Some("PreferSameNode") => Self::SameNode,
            _ => Self::Anywhere,
        }
    }
}

/// Whether the Service's endpoints are hinted, by what Nodes are like.
pub(crate) fn is_spread(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    spec.is_some_and(|spec| Spread::of(service, spec) != Spread::Anywhere)
}

impl Hinter {
    pub(crate) fn new<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Self {
        Self {
            shares: ZoneShares::of(nodes),
        }
    }

    /// Hints all slices of a Service in one family; fresh slices have none.
    pub(super) fn hint(&self, service: &Service, spec: &ServiceSpec, slices: &mut [EndpointSlice]) {
        let spread = Spread::of(service, spec);
        if spread == Spread::Anywhere {
            return;
        }
        let endpoints = slices
            .iter_mut()
            .flat_map(|slice| slice.endpoints.iter_mut().flatten());
        let mut ready: Vec<&mut Endpoint> = endpoints.filter(|it| is_ready(it)).collect();
        if spread == Spread::Proportional {
            if let Some(shares) = &self.shares {
                shares::hint(shares, &mut ready);
            }
            return;
        }
        for endpoint in ready {
            let node = endpoint.node_name.clone();
            let node = node.filter(|_| spread == Spread::SameNode);
            endpoint.hints = hints(endpoint.zone.clone(), node);
        }
    }
}

/// Hints for one zone and one node, as far as they are known.
pub(super) fn hints(zone: Option<String>, node: Option<String>) -> Option<EndpointHints> {
    let for_zones = zone.map(|name| vec![ForZone { name }]);
    let for_nodes = node.map(|name| vec![ForNode { name }]);
    (for_zones.is_some() || for_nodes.is_some()).then_some(EndpointHints {
        for_nodes,
        for_zones,
    })
}

fn is_ready(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions.and_then(|it| it.ready) == Some(true)
}
