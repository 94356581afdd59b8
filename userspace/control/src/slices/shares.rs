//! `topology-mode: Auto`: each zone gets endpoints in proportion to its processors.
//!
//! An endpoint serves its own zone, unless its zone has more endpoints than its share while another
//! one is short of some. Where an endpoint would get more than 1.2 times the load of a fair share,
//! or where the Nodes do not tell enough, nobody gets a hint and every endpoint serves everybody.

use std::collections::BTreeMap;

use k8s_openapi::api::{core::v1::Node, discovery::v1::Endpoint};

use super::{hints::hints, quantity};
use crate::node::ZONE_LABEL;

/// By how much an endpoint may be loaded more than on average.
const OVERLOAD: f64 = 0.2;

/// Nodes with one of these carry no ordinary clients.
const EXCLUDED: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];

/// What of a Node decides who gets which hint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeShare {
    zone: Option<String>,
    processors: Option<f64>,
    counts: bool,
}

impl NodeShare {
    pub(crate) fn of(node: &Node) -> Self {
        Self {
            zone: label(node, ZONE_LABEL).map(str::to_owned),
            processors: processors(node),
            counts: counts(node),
        }
    }
}

/// The share of the processors that each zone has; there are at least two zones.
#[derive(Debug)]
pub(super) struct ZoneShares(BTreeMap<String, f64>);

impl ZoneShares {
    /// None if there is one zone only, or if a Node that counts does not tell its zone or processors.
    pub(super) fn of<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Option<Self> {
        let mut zones: BTreeMap<String, f64> = BTreeMap::new();
        for node in nodes.into_iter().filter(|node| counts(node)) {
            let zone = label(node, ZONE_LABEL).filter(|zone| !zone.is_empty())?;
            *zones.entry(zone.to_owned()).or_default() += processors(node)?;
        }
        let total: f64 = zones.values().sum();
        for share in zones.values_mut() {
            *share /= total;
        }
        (zones.len() > 1).then_some(Self(zones))
    }

    /// How many of the endpoints each zone should have; none if a fair division is not possible.
    fn targets(&self, endpoints: usize) -> Option<BTreeMap<&str, f64>> {
        let mut left = count(endpoints);
        let mut targets = BTreeMap::new();
        for (zone, share) in &self.0 {
            let fair = share * count(endpoints);
            let least = (fair / (1.0 + OVERLOAD)).ceil();
            left -= least;
            targets.insert(zone.as_str(), fair.max(least));
        }
        (self.0.len() <= endpoints && left >= 0.0).then_some(targets)
    }
}

/// Hints the ready endpoints of a Service in one family.
pub(super) fn hint(shares: &ZoneShares, ready: &mut [&mut Endpoint]) {
    let Some(targets) = shares.targets(ready.len()) else {
        return;
    };
    let mut in_zone: BTreeMap<String, usize> = BTreeMap::new();
    for endpoint in ready.iter() {
        let Some(zone) = &endpoint.zone else {
            return;
        };
        *in_zone.entry(zone.clone()).or_default() += 1;
    }
    let mut moves = moves(&targets, &in_zone);
    for endpoint in ready {
        let own = endpoint.zone.clone().unwrap_or_default();
        let zone = match moves.get_mut(&own).and_then(Vec::pop) {
            Some(other) => other,
            None => own,
        };
        endpoint.hints = hints(Some(zone), None);
    }
}

/// For each zone that has too many endpoints, the zones that get one of them.
fn moves(
    targets: &BTreeMap<&str, f64>,
    in_zone: &BTreeMap<String, usize>,
) -> BTreeMap<String, Vec<String>> {
    // Positive: too many. A zone without Nodes keeps what it has, as the controller leaves it.
    let mut surplus: BTreeMap<&str, f64> = targets
        .iter()
        .map(|(zone, target)| {
            let has = in_zone.get(*zone).copied().unwrap_or_default();
            (*zone, count(has) - target)
        })
        .collect();
    let mut moves: BTreeMap<String, Vec<String>> = BTreeMap::new();
    loop {
        let by = |a: &(&str, f64), b: &(&str, f64)| a.1.total_cmp(&b.1);
        let all = || surplus.iter().map(|(zone, amount)| (*zone, *amount));
        let (Some((giver, much)), Some((taker, little))) = (all().max_by(by), all().min_by(by))
        else {
            return moves;
        };
        // Less than half an endpoint on either side, or less than one on both, is not worth a move.
        let least = much.min(-little);
        if least < 0.5 || (much < 1.0 && -little < 1.0) {
            return moves;
        }
        moves
            .entry(giver.to_owned())
            .or_default()
            .push(taker.to_owned());
        surplus.insert(giver, much - 1.0);
        surplus.insert(taker, little + 1.0);
    }
}

/// Nodes for ordinary Pods that are ready; one without conditions counts as ready.
fn counts(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|it| it.conditions.as_deref());
    let is_ready = match conditions {
        None | Some([]) => true,
        Some(conditions) => conditions
            .iter()
            .any(|it| it.type_ == "Ready" && it.status == "True"),
    };
    is_ready && EXCLUDED.iter().all(|name| label(node, name).is_none())
}

fn label<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    let labels = node.metadata.labels.as_ref()?;
    labels.get(name).map(String::as_str)
}

fn processors(node: &Node) -> Option<f64> {
    let allocatable = node.status.as_ref()?.allocatable.as_ref()?;
    quantity::value(&allocatable.get("cpu")?.0).filter(|&it| it > 0.0)
}

#[expect(clippy::cast_precision_loss, reason = "no Service has 2^52 endpoints")]
fn count(endpoints: usize) -> f64 {
    endpoints as f64
}
