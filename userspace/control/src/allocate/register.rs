//! Who refers to which number, so that a change asks those Services again that may be in each other's way, and
//! nobody else.
//!
//! [`allocate`] is a function of all Services. Two of them have to do with one another only through a number that
//! both refer to: one asks for what the other has, was given, or names as well. So the Services that a change
//! touches, those that refer to a number of theirs, and so on, are settled among themselves; whatever anybody else
//! has is not free for them. Who got less than it asked for may get it after any change, so it is asked at each.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use super::{Assignments, Outcome, Random, Ranges, Request, Reserved, allocate, refs::Refs};
use crate::{
    model::claims::Number,
    object::{Kind, Object, ObjectKey},
    problem::Problem,
    store::{Held, Store},
};

type Name = Arc<ObjectKey>;

/// What is known of all Services.
#[derive(Debug, Default)]
pub struct Register {
    known: HashMap<Name, Known>,
    /// Who asks for a number, or was given it.
    wanted: HashMap<Number, BTreeSet<Name>>,
    /// Whose status names an address.
    shown: HashMap<IpAddr, BTreeSet<Name>>,
    /// Who has a number.
    held: HashMap<Number, Name>,
    /// How many Services use a number that is not to be given, though nobody has it from here.
    used: HashMap<Number, u32>,
    /// Services that did not get all that they asked for.
    hungry: BTreeSet<ObjectKey>,
}

#[derive(Debug, Default)]
struct Known {
    refs: Refs,
    held: Vec<Number>,
}

/// What Services are settled by.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Where the Services are.
    pub store: &'a Store,
    /// What each was given before.
    pub before: &'a Assignments,
    /// What there is to give.
    pub ranges: &'a Ranges,
    /// What must not be given.
    pub avoid: &'a dyn Reserved,
    /// See [`Request::keep_absent`].
    pub keep_absent: bool,
}

/// What came of a change.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// The Services that were asked, whether they are there or not. Of others nothing changes.
    pub asked: BTreeSet<ObjectKey>,
    /// What they got. A Service that was asked and is not among the assignments has nothing to be remembered.
    pub outcome: Outcome,
}

impl Register {
    /// The Services that must be asked again when these changed.
    pub fn affected(
        &mut self,
        store: &Store,
        before: &Assignments,
        changed: &BTreeSet<ObjectKey>,
    ) -> BTreeSet<ObjectKey> {
        let mut asked: BTreeSet<Name> = BTreeSet::new();
        let hungry = std::mem::take(&mut self.hungry);
        for key in changed.iter().chain(&hungry) {
            let name = Arc::new(key.clone());
            self.neighbours(&name, &mut asked);
            self.note(&name, Refs::of(store.written(key), before.get(key)));
            asked.insert(name);
        }
        let mut left: Vec<Name> = asked.iter().cloned().collect();
        while let Some(name) = left.pop() {
            let mut next = BTreeSet::new();
            self.neighbours(&name, &mut next);
            left.extend(next.into_iter().filter(|it| asked.insert(Arc::clone(it))));
        }
        asked.iter().map(|name| ObjectKey::clone(name)).collect()
    }

    /// Gives these Services what they lack. Without randomness nothing new is given.
    pub fn settle(
        &self,
        terms: &Terms<'_>,
        asked: BTreeSet<ObjectKey>,
        random: Option<Random<'_>>,
    ) -> Settled {
        let mut held: Vec<&Held> = asked
            .iter()
            .filter_map(|key| terms.store.get(key))
            .collect();
        held.sort_unstable_by_key(|held| held.age());
        let services: Vec<Arc<Object>> = held.into_iter().map(|it| it.written()).collect();
        let before = asked.iter().filter_map(|key| {
            let assignment = terms.before.get(key)?;
            Some((key.clone(), assignment.clone()))
        });
        let outcome = allocate(
            &Request {
                services: &services,
                before: &before.collect(),
                ranges: terms.ranges,
                avoid: &Others {
                    register: self,
                    asked: &asked,
                    avoid: terms.avoid,
                },
                keep_absent: terms.keep_absent,
            },
            random,
        );
        Settled { asked, outcome }
    }

    /// Takes in what came of it. Returns what could not be granted, by Service; an empty list: all was.
    pub fn confirm(
        &mut self,
        store: &Store,
        settled: &Settled,
    ) -> BTreeMap<ObjectKey, Vec<Problem>> {
        let Settled { asked, outcome } = settled;
        for key in asked {
            let name = Arc::new(key.clone());
            let after = outcome.assignments.get(key);
            self.note(&name, Refs::of(store.written(key), after));
            self.let_go(&name);
        }
        for (number, key) in &outcome.held {
            let name = self.name(key);
            self.held.insert(*number, Arc::clone(&name));
            self.known.entry(name).or_default().held.push(*number);
        }
        let mut problems: BTreeMap<ObjectKey, Vec<Problem>> =
            asked.iter().map(|key| (key.clone(), Vec::new())).collect();
        for (key, problem) in &outcome.problems {
            problems
                .entry(key.clone())
                .or_default()
                .push(problem.clone());
        }
        let hungry = problems.iter().filter(|(_, problems)| !problems.is_empty());
        self.hungry.extend(hungry.map(|(key, _)| key.clone()));
        problems
    }

    /// All Services of which something is remembered.
    pub fn everybody(store: &Store, before: &Assignments) -> BTreeSet<ObjectKey> {
        let services = store.objects(Kind::Service);
        let here = services.map(|held| held.object.key.clone());
        here.chain(before.keys().cloned()).collect()
    }

    fn name(&self, key: &ObjectKey) -> Name {
        let known = self.known.get_key_value(key);
        known.map_or_else(|| Arc::new(key.clone()), |(name, _)| Arc::clone(name))
    }

    /// Who refers to a number that this Service refers to. Those that merely show one have nothing to do with
    /// one another.
    fn neighbours(&self, name: &Name, found: &mut BTreeSet<Name>) {
        let Some(Known { refs, held }) = self.known.get(name) else {
            return;
        };
        for number in refs.wanted.iter().chain(held) {
            found.extend(self.wanted.get(number).into_iter().flatten().cloned());
            if let Number::Ip(ip) = number {
                found.extend(self.shown.get(ip).into_iter().flatten().cloned());
            }
        }
        for ip in &refs.shown {
            let wanted = self.wanted.get(&Number::Ip(*ip));
            found.extend(wanted.into_iter().flatten().cloned());
            found.extend(self.held.get(&Number::Ip(*ip)).cloned());
        }
    }

    /// Puts what a Service refers to in the place of what it referred to.
    fn note(&mut self, name: &Name, refs: Refs) {
        let known = self.known.get(name);
        if known.is_some_and(|known| known.refs == refs) {
            return;
        }
        let name = self.name(name);
        let old = self
            .known
            .get_mut(&name)
            .map(|it| std::mem::take(&mut it.refs));
        if let Some(Refs {
            wanted,
            shown,
            used,
        }) = old
        {
            wanted
                .iter()
                .for_each(|it| take_out(&mut self.wanted, it, &name));
            shown
                .iter()
                .for_each(|it| take_out(&mut self.shown, it, &name));
            for number in used {
                let count = self.used.get_mut(&number);
                let is_last = count.is_some_and(|count| {
                    *count -= 1;
                    *count == 0
                });
                if is_last {
                    self.used.remove(&number);
                }
            }
        }
        for number in &refs.wanted {
            self.wanted
                .entry(*number)
                .or_default()
                .insert(Arc::clone(&name));
        }
        for ip in &refs.shown {
            self.shown.entry(*ip).or_default().insert(Arc::clone(&name));
        }
        for number in &refs.used {
            *self.used.entry(*number).or_insert(0) += 1;
        }
        if refs == Refs::default() {
            // What it still has is let go by who settles it.
            let is_done = self.known.get(&name).is_none_or(|it| it.held.is_empty());
            if is_done {
                self.known.remove(&name);
                return;
            }
        }
        self.known.entry(name).or_default().refs = refs;
    }

    fn let_go(&mut self, name: &Name) {
        let Some(known) = self.known.get_mut(name) else {
            return;
        };
        let held = std::mem::take(&mut known.held);
        let is_done = known.refs == Refs::default();
        for number in held {
            if self.held.get(&number) == Some(name) {
                self.held.remove(&number);
            }
        }
        if is_done {
            self.known.remove(name);
        }
    }
}

fn take_out<N: Copy + Eq + std::hash::Hash>(
    map: &mut HashMap<N, BTreeSet<Name>>,
    number: &N,
    name: &Name,
) {
    if let Some(names) = map.get_mut(number) {
        names.remove(name);
        if names.is_empty() {
            map.remove(number);
        }
    }
}

/// What is not free for those who are asked.
#[derive(Debug)]
struct Others<'a> {
    register: &'a Register,
    asked: &'a BTreeSet<ObjectKey>,
    avoid: &'a dyn Reserved,
}

impl Others<'_> {
    fn has(&self, number: Number) -> bool {
        let holder = self.register.held.get(&number);
        holder.is_some_and(|name| !self.asked.contains(&**name))
            || self.register.used.contains_key(&number)
    }

    fn count(&self) -> usize {
        self.register.held.len() + self.register.used.len() + self.avoid.count()
    }
}

impl Reserved for Others<'_> {
    fn has_ip(&self, ip: IpAddr) -> bool {
        self.has(Number::Ip(ip)) || self.avoid.has_ip(ip)
    }
    fn has_port(&self, port: u16) -> bool {
        self.has(Number::Port(port)) || self.avoid.has_port(port)
    }
    fn count(&self) -> usize {
        self.count()
    }
}
