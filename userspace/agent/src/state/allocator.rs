//! Completes the stored Services, and sees to it that what they were given is on disk first.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::IpAddr,
    path::Path,
};

use anyhow::Result;
use tidegate_control::{
    ObjectKey, Problem, Store,
    allocate::{Assignments, Avoid, Random, Ranges, Register, Reserved, Settled, Terms},
};

use super::StateFile;
use crate::config::Config;

/// Gives numbers to Services, and remembers them.
#[derive(Debug)]
pub(crate) struct Allocator {
    ranges: Ranges,
    /// `None`: nothing is remembered.
    file: Option<StateFile>,
    /// What the file holds.
    saved: Assignments,
    /// There was no file, so what earlier agents gave is not known.
    is_fresh: bool,
    /// What the data path served when this agent came.
    in_use: Avoid,
    /// Files in which something could not be understood.
    unsure: BTreeSet<String>,
    register: Register,
    /// Services that are to be asked, beside those that the store says have changed.
    waiting: BTreeSet<ObjectKey>,
    /// What an absent Service was given stays reserved; `None`: nobody was asked yet.
    keeps_absent: Option<bool>,
    /// Why the last save failed.
    failure: Option<String>,
}

/// What could not be granted, for each Service that was asked.
pub(crate) type Denied = BTreeMap<ObjectKey, Vec<Problem>>;

/// What must not be given.
#[derive(Debug)]
struct Avoided<'a> {
    in_use: &'a Avoid,
    node: &'a BTreeSet<IpAddr>,
}

impl Allocator {
    /// Gives numbers, and forgets them at the end.
    pub(crate) fn in_memory(config: &Config) -> Self {
        Self {
            ranges: config.ranges(),
            file: None,
            saved: Assignments::new(),
            is_fresh: true,
            in_use: Avoid::default(),
            unsure: BTreeSet::new(),
            register: Register::default(),
            waiting: BTreeSet::new(),
            keeps_absent: None,
            failure: None,
        }
    }

    /// Goes on from what the directory remembers.
    pub(crate) fn open(config: &Config, directory: &Path) -> Result<Self> {
        let (file, saved) = StateFile::open(directory)?;
        Ok(Self {
            file: Some(file),
            is_fresh: saved.is_none(),
            saved: saved.unwrap_or_default(),
            ..Self::in_memory(config)
        })
    }

    /// Whether nothing is known of what earlier agents gave.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// The data path serves these already, and nobody knows for whom: they are not given to another,
    /// since flows may be using them (rule 7.1.11).
    pub(crate) fn set_in_use(&mut self, in_use: Avoid) {
        self.in_use = in_use;
    }

    /// Something in this file could not be understood, or now all of it can be.
    pub(crate) fn set_unsure(&mut self, file: &str, is_unsure: bool) {
        if is_unsure {
            self.unsure.insert(file.to_owned());
        } else {
            self.unsure.remove(file);
        }
    }

    /// Gives stored Services their numbers: those that changed, and those that are in their way. Returns what could
    /// not be granted; none: nothing was due.
    pub(crate) fn complete(
        &mut self,
        store: &mut Store,
        node: &BTreeSet<IpAddr>,
        is_unreadable: bool,
    ) -> Option<Denied> {
        let keep_absent = is_unreadable || !self.unsure.is_empty();
        let mut changed = store.take_written();
        changed.append(&mut self.waiting);
        let is_due = !changed.is_empty() || self.failure.is_some();
        match self.keeps_absent.replace(keep_absent) {
            None => changed = Register::everybody(store, &self.saved),
            // What was kept for those who were absent is free now.
            Some(true) if !keep_absent => {
                let absent = self.saved.keys().filter(|key| store.get(key).is_none());
                changed.extend(absent.cloned());
            }
            Some(_) if !is_due => return None,
            Some(_) => {}
        }
        let asked = self.register.affected(store, &self.saved, &changed);
        let given = (&*store, node, keep_absent);
        let mut settled = self.settle(given, asked, true);
        let before = self.remembered(&settled.asked);
        let saved = self.remember(&settled.asked, &settled.outcome.assignments, &before);
        if saved.is_err() {
            settled = self.settle(given, settled.asked, false);
            self.waiting.clone_from(&settled.asked);
        }
        self.failure = saved.err();
        let denied = self.register.confirm(store, &settled);
        store.complete(&settled.asked, settled.outcome.completed);
        Some(denied)
    }

    /// Why nothing new is given, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        let reason = self.failure.as_ref()?;
        Some(format!(
            "no new addresses and ports are given until this is put right: {reason}"
        ))
    }

    /// What these Services have then; without new numbers if none may be given.
    fn settle(
        &self,
        (store, node, keep_absent): (&Store, &BTreeSet<IpAddr>, bool),
        asked: BTreeSet<ObjectKey>,
        may_give: bool,
    ) -> Settled {
        let avoid = Avoided {
            in_use: &self.in_use,
            node,
        };
        let terms = Terms {
            store,
            before: &self.saved,
            ranges: &self.ranges,
            avoid: &avoid,
            keep_absent,
        };
        let random: Random<'_> = &mut random;
        self.register
            .settle(&terms, asked, may_give.then_some(random))
    }

    /// What these were given so far.
    fn remembered(&self, asked: &BTreeSet<ObjectKey>) -> Assignments {
        let given = asked.iter().filter_map(|key| {
            let assignment = self.saved.get(key)?;
            Some((key.clone(), assignment.clone()))
        });
        given.collect()
    }

    /// Remembers what these were given. On failure all is as before.
    fn remember(
        &mut self,
        asked: &BTreeSet<ObjectKey>,
        after: &Assignments,
        before: &Assignments,
    ) -> Result<(), String> {
        if after == before {
            return Ok(());
        }
        self.put(asked, after);
        let saved = self
            .file
            .as_ref()
            .map_or(Ok(()), |file| file.save(&self.saved));
        saved.map_err(|error| {
            self.put(asked, before);
            format!("{error:#}")
        })
    }

    fn put(&mut self, asked: &BTreeSet<ObjectKey>, given: &Assignments) {
        for key in asked {
            match given.get(key) {
                Some(assignment) => self.saved.insert(key.clone(), assignment.clone()),
                None => self.saved.remove(key),
            };
        }
    }
}

impl Reserved for Avoided<'_> {
    fn has_ip(&self, ip: IpAddr) -> bool {
        self.in_use.has_ip(ip) || self.node.contains(&ip)
    }
    fn has_port(&self, port: u16) -> bool {
        self.in_use.has_port(port)
    }
    fn count(&self) -> usize {
        self.in_use.count() + self.node.len()
    }
}

/// Good enough to spread numbers; nobody's secret depends on it.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
