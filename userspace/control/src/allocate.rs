//! What the API server would have filled in: clusterIPs, nodePorts, health-check ports, and
//! load-balancer addresses from a pool (rules 1.6.x, 1.7.5, 7.1.x, 7.2.x and 7.3.x).
//!
//! A pure function: the Services as they are written, and what each was given before, to the same
//! Services with every number filled in, and what each has now. Numbers are settled in three rounds,
//! each for all Services, oldest first:
//!
//! 1. **keep**: what a Service was given before is its own while it lives and still has use for it;
//! 2. **ask**: what a manifest names is taken, if no other Service was given it before;
//! 3. **assign**: who lacks something is given what is free.
//!
//! So a number in a manifest always wins over one that has yet to be given, and never takes away one
//! that serves (rule 7.1.12). Two manifests that name the same number are the business of
//! [`crate::model`]. What is given is remembered by the caller: see [`Assignments`].

mod assignments;
mod balancer;
mod cluster_ips;
mod complete;
mod draft;
mod families;
mod node_ports;
mod pick;
mod range;
mod refs;
mod register;
mod taken;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use crate::{
    model::claims::Number,
    object::{Object, ObjectKey},
    problem::Problem,
};
use draft::Draft;
use taken::{Owner, Taken};

pub use assignments::{Assignment, Assignments, FamilyPolicy, NodePort};
pub use range::{AddressRange, Ranges, ServiceBlock};
pub use register::{Register, Settled, Terms};

/// Where random numbers come from.
pub type Random<'a> = &'a mut dyn FnMut() -> u64;

/// What numbers are given out by.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The Services as they are written, oldest first.
    pub services: &'a [Arc<Object>],
    /// What each was given before.
    pub before: &'a Assignments,
    /// What there is to give.
    pub ranges: &'a Ranges,
    /// What must not be given to anybody, though nobody here has it.
    pub avoid: &'a dyn Reserved,
    /// A Service that is not here may be so only because its manifest cannot be read now: what it
    /// was given stays reserved.
    pub keep_absent: bool,
}

/// Who has numbers and is not among those who are asked.
pub trait Reserved: fmt::Debug {
    /// Whether the address must not be given.
    fn has_ip(&self, ip: IpAddr) -> bool;
    /// Whether the NodePort number must not be given.
    fn has_port(&self, port: u16) -> bool;
    /// At least as many as numbers must not be given.
    fn count(&self) -> usize;
}

/// Numbers that are in use by somebody who is not a Service.
#[derive(Clone, Debug, Default)]
pub struct Avoid {
    /// Addresses.
    pub ips: HashSet<IpAddr>,
    /// NodePort numbers.
    pub ports: HashSet<u16>,
}

impl Reserved for Avoid {
    fn has_ip(&self, ip: IpAddr) -> bool {
        self.ips.contains(&ip)
    }
    fn has_port(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }
    fn count(&self) -> usize {
        self.ips.len() + self.ports.len()
    }
}

/// The Services with their numbers.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Services that differ from what is written: numbers were filled in, or could not be granted.
    pub completed: Vec<Arc<Object>>,
    /// What each was given; must be kept safe before anybody is told of it (rule 7.1.11).
    pub assignments: Assignments,
    /// Who asked for what cannot be granted.
    pub problems: Vec<(ObjectKey, Problem)>,
    /// Who has each number.
    pub(crate) held: Vec<(Number, ObjectKey)>,
}

/// Gives every Service what it lacks. Without randomness nothing new is given, and all is as before.
pub fn allocate(request: &Request<'_>, mut random: Option<Random<'_>>) -> Outcome {
    let mut problems = Told::default();
    let mut taken = Taken::new(request);
    let mut drafts: Vec<Draft<'_>> = request
        .services
        .iter()
        .filter_map(|object| {
            problems.of(&object.key, |problems| {
                Draft::new(object, request, problems)
            })
        })
        .collect();
    for draft in &mut drafts {
        problems.of(draft.key(), |problems| {
            draft.keep(&mut taken, request.ranges, problems);
        });
    }
    let absent = absent(request);
    for (key, assignment) in &absent {
        taken.reserve(Owner::absent(key), assignment);
    }
    for draft in &mut drafts {
        problems.of(draft.key(), |problems| {
            draft.ask(&mut taken, request.ranges, problems);
        });
    }
    if let Some(random) = &mut random {
        for draft in &mut drafts {
            problems.of(draft.key(), |problems| {
                draft.assign(&mut taken, request.ranges, *random, problems);
            });
        }
    }
    let mut assignments: Assignments = absent
        .into_iter()
        .filter_map(|(key, assignment)| Some((key.clone(), taken.left_of(key, assignment)?)))
        .collect();
    let present = drafts
        .iter()
        .filter_map(|draft| Some((draft.key().clone(), draft.after()?)));
    assignments.extend(present);
    Outcome {
        completed: drafts.iter().filter_map(complete::object).collect(),
        assignments,
        problems: problems.all,
        held: taken.holders(),
    }
}

/// Problems with the Service that each is about.
#[derive(Default)]
struct Told {
    all: Vec<(ObjectKey, Problem)>,
    new: Vec<Problem>,
}

impl Told {
    fn of<T>(&mut self, key: &ObjectKey, ask: impl FnOnce(&mut Vec<Problem>) -> T) -> T {
        let answer = ask(&mut self.new);
        let new = self.new.drain(..);
        self.all.extend(new.map(|problem| (key.clone(), problem)));
        answer
    }
}

fn absent<'a>(request: &Request<'a>) -> BTreeMap<&'a ObjectKey, &'a Assignment> {
    if !request.keep_absent {
        return BTreeMap::new();
    }
    let here: HashSet<&ObjectKey> = request.services.iter().map(|object| &object.key).collect();
    let before = request.before.iter();
    before.filter(|(key, _)| !here.contains(key)).collect()
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod random_tests;
