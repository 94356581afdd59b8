//! Who has what: each address and each NodePort number has one owner.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::IpAddr,
};

use tidegate_abi::Proto;

use super::{Assignment, Request, Reserved, refs::numbers};
use crate::{
    address,
    model::{claims::Number, spec},
    object::{Object, ObjectKey},
    problem::Origin,
};

/// Who has a number, and how it came by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) key: &'a ObjectKey,
    origin: Option<&'a Origin>,
    pub(super) how: How,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum How {
    /// It was given.
    Given,
    /// Its manifest names it.
    Asked,
    /// It was given to a Service that is not there now.
    Absent,
}

/// All numbers that somebody has.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    avoid: &'a dyn Reserved,
    ips: HashMap<IpAddr, Owner<'a>>,
    ports: HashMap<u16, (Owner<'a>, Vec<Option<Proto>>)>,
    /// Addresses that manifests use for something else, or that an API server gave: not to be given,
    /// but free to be asked for.
    written: HashSet<IpAddr>,
    /// Numbers that an API server gave: likewise.
    settled: HashSet<u16>,
}

impl<'a> Owner<'a> {
    pub(super) fn of(object: &'a Object, how: How) -> Self {
        Self {
            key: &object.key,
            origin: Some(&object.origin),
            how,
        }
    }

    pub(super) fn absent(key: &'a ObjectKey) -> Self {
        Self {
            key,
            origin: None,
            how: How::Absent,
        }
    }
}

impl<'a> Taken<'a> {
    pub(super) fn new(request: &Request<'a>) -> Self {
        let services = request
            .services
            .iter()
            .filter_map(|object| object.service());
        let written = services.flat_map(|service| {
            let spec = service.spec.as_ref();
            let external = spec.into_iter().flat_map(spec::external_ips);
            let ingress = spec::ingress(service).iter();
            external.chain(ingress.filter_map(|it| address::parse(it.ip.as_deref()?)))
        });
        let settled = || {
            let objects = request.services.iter().filter(|object| object.settled);
            objects.filter_map(|object| object.service()?.spec.as_ref())
        };
        Self {
            avoid: request.avoid,
            ips: HashMap::new(),
            ports: HashMap::new(),
            written: written
                .chain(settled().flat_map(spec::cluster_ips))
                .collect(),
            settled: settled().flat_map(numbers).collect(),
        }
    }

    /// Takes an address, or says who has it. What an absent Service has does not bind who asks.
    pub(super) fn take_ip(&mut self, ip: IpAddr, owner: Owner<'a>) -> Result<(), Owner<'a>> {
        match self.ips.get(&ip) {
            Some(other) if other.how != How::Absent => Err(*other),
            _ => {
                self.ips.insert(ip, owner);
                Ok(())
            }
        }
    }

    /// Takes a number for a protocol, or for all. Protocols of one Service may share it, and nobody
    /// else may, whatever the protocol (rule 1.6.7).
    pub(super) fn take_port(
        &mut self,
        (number, proto): (u16, Option<Proto>),
        owner: Owner<'a>,
    ) -> Result<(), Owner<'a>> {
        match self.ports.get_mut(&number) {
            Some((other, protos)) if other.how != How::Absent => {
                let shares = other.key == owner.key
                    && proto.is_some()
                    && protos.iter().all(|it| it.is_some() && *it != proto);
                if !shares {
                    return Err(*other);
                }
                protos.push(proto);
            }
            _ => drop(self.ports.insert(number, (owner, vec![proto]))),
        }
        Ok(())
    }

    /// Who has the address.
    pub(super) fn owner_of(&self, ip: IpAddr) -> Option<&Owner<'a>> {
        self.ips.get(&ip)
    }

    /// Takes what is still free of what a Service was given.
    pub(super) fn reserve(&mut self, owner: Owner<'a>, assignment: &Assignment) {
        for ip in assignment.ips() {
            self.ips.entry(ip).or_insert(owner);
        }
        for (number, proto) in assignment.numbers() {
            let (first, protos) = self.ports.entry(number).or_insert((owner, vec![]));
            if first.key == owner.key {
                protos.push(proto);
            }
        }
    }

    /// What an absent Service still has.
    pub(super) fn left_of(&self, key: &ObjectKey, before: &Assignment) -> Option<Assignment> {
        let ip = |ip: &IpAddr| self.ips.get(ip).is_some_and(|owner| owner.key == key);
        let port = |port: u16| {
            self.ports
                .get(&port)
                .is_some_and(|(owner, _)| owner.key == key)
        };
        let mut left = before.clone();
        left.cluster_ips.retain(ip);
        left.load_balancer_ips.retain(ip);
        left.node_ports.retain(|it| port(it.number));
        left.health_check_node_port = left.health_check_node_port.filter(|&it| port(it));
        (!left.is_empty()).then_some(left)
    }

    /// Whether the address may be given.
    pub(super) fn is_free_ip(&self, ip: IpAddr) -> bool {
        !self.ips.contains_key(&ip) && !self.written.contains(&ip) && !self.avoid.has_ip(ip)
    }

    /// Whether the number may be given.
    pub(super) fn is_free_port(&self, number: u16) -> bool {
        !self.ports.contains_key(&number)
            && !self.settled.contains(&number)
            && !self.avoid.has_port(number)
    }

    /// Who has each number.
    pub(super) fn holders(&self) -> Vec<(Number, ObjectKey)> {
        let ips = self.ips.iter();
        let ips = ips.map(|(ip, owner)| (Number::Ip(*ip), owner.key.clone()));
        let ports = self.ports.iter();
        let ports = ports.map(|(port, (owner, _))| (Number::Port(*port), owner.key.clone()));
        ips.chain(ports).collect()
    }

    /// At least as many as addresses are not free.
    pub(super) fn ip_count(&self) -> usize {
        self.ips.len() + self.written.len() + self.avoid.count()
    }

    /// At least as many as numbers are not free.
    pub(super) fn port_count(&self) -> usize {
        self.ports.len() + self.settled.len() + self.avoid.count()
    }
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        match self.origin {
            Some(origin) => write!(f, " ({origin})"),
            None => Ok(()),
        }
    }
}
