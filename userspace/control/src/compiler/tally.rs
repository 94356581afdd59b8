//! Sums over all Services that others ask for after each change.

use tidegate_abi::Family;

use crate::{
    model::{EndpointView, ServicePort},
    node::NodeFacts,
};

/// Service ports with policy Local and usable endpoints, but none here (rule 2.4.14).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NoLocal {
    /// For internal traffic.
    pub internal: u32,
    /// For external traffic.
    pub external: u32,
}

/// Sums over service ports.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Service ports.
    pub ports: usize,
    /// Their endpoints.
    pub endpoints: usize,
    /// Endpoints in use that have one of the node's own addresses: processes of this host.
    pub host_backends: usize,
    no_local4: NoLocal,
    no_local6: NoLocal,
}

impl Tally {
    /// What these service ports add.
    pub fn of<'a>(ports: impl IntoIterator<Item = &'a ServicePort>, node: &NodeFacts) -> Self {
        let mut tally = Self::default();
        for port in ports {
            tally.ports += 1;
            tally.endpoints += port.endpoints.len();
            let is_host = |it: &&EndpointView| {
                (it.used_cluster || it.used_local) && node.own_addresses.contains(&it.ip)
            };
            tally.host_backends += port.endpoints.iter().filter(is_host).count();
            if lacks_local(port) {
                let counts = tally.no_local_mut(port.key.family);
                counts.internal += u32::from(port.internal_local);
                counts.external += u32::from(port.external_local);
            }
        }
        tally
    }

    /// Service ports of a family without local endpoints.
    pub fn no_local(&self, family: Family) -> NoLocal {
        match family {
            Family::V4 => self.no_local4,
            Family::V6 => self.no_local6,
        }
    }

    /// Puts one Service's share in the place of its old one.
    pub(super) fn replace(&mut self, old: &Self, new: &Self) {
        self.ports = self.ports + new.ports - old.ports;
        self.endpoints = self.endpoints + new.endpoints - old.endpoints;
        self.host_backends = self.host_backends + new.host_backends - old.host_backends;
        for family in [Family::V4, Family::V6] {
            let (old, new) = (old.no_local(family), new.no_local(family));
            let sum = self.no_local_mut(family);
            sum.internal = sum.internal + new.internal - old.internal;
            sum.external = sum.external + new.external - old.external;
        }
    }

    fn no_local_mut(&mut self, family: Family) -> &mut NoLocal {
        match family {
            Family::V4 => &mut self.no_local4,
            Family::V6 => &mut self.no_local6,
        }
    }
}

fn lacks_local(port: &ServicePort) -> bool {
    let is_usable = |it: &&EndpointView| it.ready || (it.serving && it.terminating);
    let mut usable = port.endpoints.iter().filter(is_usable).peekable();
    usable.peek().is_some() && !usable.any(|it| it.local)
}
