//! NodePorts and the health-check port, which come from one pool (rules 1.6.1, 1.6.2, 1.6.7 to 1.6.10).

use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
use tidegate_abi::Proto;

use super::{
    Assignment, Random, Ranges,
    draft::{self, Draft, Slot},
    pick,
    taken::{How, Owner, Taken},
};
use crate::{
    model::spec::{self, Type},
    problem::Problem,
};

const HEALTH: &str = "spec.healthCheckNodePort";

/// The places for nodePorts, one for each port.
pub(super) fn slots(spec: &ServiceSpec, before: Option<&Assignment>) -> Vec<(Proto, Slot<u16>)> {
    if !matches!(Type::of(spec), Type::NodePort | Type::LoadBalancer) {
        return Vec::new();
    }
    let ports = spec.ports.as_deref().unwrap_or_default();
    let slot = |port: &ServicePort| {
        let proto = draft::proto(port.protocol.as_deref());
        let is_let_go = port.node_port == Some(0) && !is_filled(spec);
        let before = before
            .filter(|_| !is_let_go)
            .and_then(|before| earlier(before, port, spec));
        // What the manifest names for a sibling is this port's, too (rule 1.6.8); but what the port
        // has already, it keeps. Nothing that a sibling names for the same protocol is kept.
        let before = before.filter(|&number| !is_named(spec, number, Some(proto)));
        let asked = spec::node_port(spec, port);
        let sibling = sibling(spec, port).filter(|_| before.is_none() && is_filled(spec));
        let mut slot = Slot::new(asked.or(sibling), before);
        slot.is_wanted = is_filled(spec);
        (proto, slot)
    };
    ports.iter().map(slot).collect()
}

/// The place for the health-check port, if the Service has use for one.
pub(super) fn health_slot(spec: &ServiceSpec, before: Option<&Assignment>) -> Option<Slot<u16>> {
    let before = before.and_then(|before| before.health_check_node_port);
    let before = before.filter(|&number| !is_named(spec, number, None));
    spec::needs_health_check(spec).then(|| Slot::new(spec::health_check_node_port(spec), before))
}

/// Whether ports without a number are to be given one (rules 1.6.10 and 7.2.6).
fn is_filled(spec: &ServiceSpec) -> bool {
    Type::of(spec) != Type::LoadBalancer || spec.allocate_load_balancer_node_ports != Some(false)
}

/// The number that a port was given: by its name, else by its number and protocol if another name
/// has not brought it along.
fn earlier(before: &Assignment, port: &ServicePort, spec: &ServiceSpec) -> Option<u16> {
    let name = port.name.as_deref().unwrap_or_default();
    if let Some(same) = before.node_ports.iter().find(|it| it.port_name == name) {
        return Some(same.number);
    }
    let names: Vec<&str> = spec
        .ports
        .iter()
        .flatten()
        .filter_map(|it| it.name.as_deref())
        .collect();
    let proto = draft::proto(port.protocol.as_deref());
    let is_same = |it: &&super::NodePort| {
        i32::from(it.port) == port.port
            && it.proto == proto
            && !names.contains(&it.port_name.as_str())
    };
    before
        .node_ports
        .iter()
        .find(is_same)
        .map(|same| same.number)
}

/// The number that the manifest names for another protocol of the same port.
fn sibling(spec: &ServiceSpec, port: &ServicePort) -> Option<u16> {
    let mut others = spec
        .ports
        .iter()
        .flatten()
        .filter(|other| other.port == port.port);
    others.find_map(|other| spec::node_port(spec, other))
}

/// Whether the manifest itself names the number where this protocol (none: any) cannot share it.
fn is_named(spec: &ServiceSpec, number: u16, proto: Option<Proto>) -> bool {
    let clashes = |port: &ServicePort| {
        let other = draft::proto(port.protocol.as_deref());
        proto.is_none_or(|proto| proto == other)
    };
    let mut ports = spec.ports.iter().flatten().filter(|port| clashes(port));
    ports.any(|port| spec::node_port(spec, port) == Some(number))
        || proto.is_some() && spec::health_check_node_port(spec) == Some(number)
}

impl<'a> Draft<'a> {
    pub(super) fn keep_ports(
        &mut self,
        taken: &mut Taken<'a>,
        ranges: &Ranges,
        problems: &mut Vec<Problem>,
    ) {
        let owner = self.owner(How::Given);
        let mut parked = Vec::new();
        for (field, proto, slot) in self.port_slots() {
            let Some(number) = slot.before.filter(|_| slot.asked.is_none()) else {
                continue;
            };
            if taken.take_port((number, proto), owner).is_err() {
                continue;
            }
            if ranges.node_ports.contains(&number) {
                slot.got = Some((number, How::Given));
            } else {
                slot.parked = Some(number);
                parked.push((field, number));
            }
        }
        for (field, number) in parked {
            let (first, last) = (ranges.node_ports.start(), ranges.node_ports.end());
            let reason = format!(
                "{number}, which was given earlier, is not in --nodeport-range ({first}-{last}) any \
                 more and is not served: widen the range, or name a number in it"
            );
            problems.push(self.error(field, reason));
        }
    }

    pub(super) fn ask_ports(&mut self, taken: &mut Taken<'a>, problems: &mut Vec<Problem>) {
        let (asks, given) = (self.owner(How::Asked), self.owner(How::Given));
        let mut denied = Vec::new();
        for (field, proto, slot) in self.port_slots() {
            let Some(number) = slot.asked else { continue };
            match taken.take_port((number, proto), asks) {
                Ok(()) => slot.got = Some((number, How::Asked)),
                // Of two manifests that name it, the model knows the older.
                Err(other) if other.how == How::Asked => slot.got = Some((number, How::Asked)),
                Err(other) => {
                    denied.push((field, number, other));
                    let earlier = slot
                        .before
                        .filter(|&it| taken.take_port((it, proto), given).is_ok());
                    slot.got = earlier.map(|earlier| (earlier, How::Given));
                }
            }
        }
        for (field, number, other) in denied {
            let reason = format!(
                "{number} was given to {other}; choose another number, or none to be given one"
            );
            problems.push(self.error(field, reason));
        }
    }

    pub(super) fn assign_ports(
        &mut self,
        taken: &mut Taken<'a>,
        ranges: &Ranges,
        random: Random<'_>,
        problems: &mut Vec<Problem>,
    ) {
        let owner = self.owner(How::Given);
        for index in 0..self.node_ports.len() {
            if !self.node_ports[index].1.lacks() {
                continue;
            }
            let proto = self.node_ports[index].0;
            // Protocols of one port share its number (rule 1.6.8).
            let shared = self.number_of_sibling(index);
            let shared = shared.filter(|&it| taken.take_port((it, Some(proto)), owner).is_ok());
            let number = shared.or_else(|| free(taken, ranges, random, Some(proto), owner));
            self.node_ports[index].1.got = number.map(|number| (number, How::Given));
            if number.is_none() {
                problems.push(self.no_port_left(format!("spec.ports[{index}].nodePort"), ranges));
            }
        }
        if let Some(slot) = self.health.as_mut().filter(|slot| slot.lacks()) {
            slot.got = free(taken, ranges, random, None, owner).map(|number| (number, How::Given));
            if slot.got.is_none() {
                problems.push(self.no_port_left(HEALTH.to_owned(), ranges));
            }
        }
    }

    /// All places for ports, with the field and the protocol of each; the health check has them all.
    fn port_slots(&mut self) -> impl Iterator<Item = (String, Option<Proto>, &mut Slot<u16>)> {
        let ports = self.node_ports.iter_mut().enumerate();
        let ports = ports.map(|(index, (proto, slot))| {
            (format!("spec.ports[{index}].nodePort"), Some(*proto), slot)
        });
        ports.chain(
            self.health
                .iter_mut()
                .map(|slot| (HEALTH.to_owned(), None, slot)),
        )
    }

    fn number_of_sibling(&self, index: usize) -> Option<u16> {
        let ports = self.spec.ports.as_deref().unwrap_or_default();
        let port = ports.get(index)?.port;
        let mut siblings = ports
            .iter()
            .zip(&self.node_ports)
            .filter(|(it, _)| it.port == port);
        siblings.find_map(|(_, (_, slot))| slot.number())
    }

    fn no_port_left(&self, field: String, ranges: &Ranges) -> Problem {
        let (first, last) = (ranges.node_ports.start(), ranges.node_ports.end());
        let reason = format!(
            "no number is left in --nodeport-range ({first}-{last}): widen it, or delete Services"
        );
        self.error(field, reason)
    }
}

impl Slot<u16> {
    fn lacks(&self) -> bool {
        self.is_wanted && self.asked.is_none() && self.got.is_none() && self.parked.is_none()
    }
}

fn free<'a>(
    taken: &mut Taken<'a>,
    ranges: &Ranges,
    random: Random<'_>,
    proto: Option<Proto>,
    owner: Owner<'a>,
) -> Option<u16> {
    let [fixed, dynamic] = ranges.port_bands();
    let offset = [dynamic, fixed].into_iter().find_map(|band| {
        let is_free = |offset| taken.is_free_port(ranges.port_at(offset));
        pick::random(&band, taken.port_count(), random, is_free)
    })?;
    let number = ranges.port_at(offset);
    taken
        .take_port((number, proto), owner)
        .ok()
        .map(|()| number)
}
