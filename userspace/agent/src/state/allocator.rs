//! Completes the stored Services, and sees to it that what they were given is on disk first.

use std::{
    collections::{BTreeSet, HashSet},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::IpAddr,
    path::Path,
};

use anyhow::Result;
use tidegate_control::{
    Problem, Store,
    allocate::{Assignments, Avoid, Outcome, Ranges, Request, allocate},
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
    /// What the Services were last completed by.
    seen: Option<Inputs>,
    /// Why the last save failed.
    failure: Option<String>,
}

/// What makes Services be completed anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Inputs {
    version: u64,
    keep_absent: bool,
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
            seen: None,
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

    /// Whether [`Self::complete`] has something to do.
    pub(crate) fn is_due(&self, store: &Store, is_unreadable: bool) -> bool {
        self.failure.is_some() || self.seen != Some(self.inputs(store, is_unreadable))
    }

    /// Gives every stored Service its numbers. Returns what could not be granted; none: nothing was due.
    pub(crate) fn complete(
        &mut self,
        store: &mut Store,
        node: &BTreeSet<IpAddr>,
        is_unreadable: bool,
    ) -> Option<Vec<Problem>> {
        if !self.is_due(store, is_unreadable) {
            return None;
        }
        let inputs = self.inputs(store, is_unreadable);
        let services = store.written_services();
        let avoid = Avoid {
            ips: self
                .in_use
                .ips
                .iter()
                .chain(node)
                .copied()
                .collect::<HashSet<_>>(),
            ports: self.in_use.ports.clone(),
        };
        let request = Request {
            services: &services,
            before: &self.saved,
            ranges: &self.ranges,
            avoid: &avoid,
            keep_absent: inputs.keep_absent,
        };
        let mut outcome = allocate(&request, Some(&mut random));
        let saved = self.save(&outcome);
        if saved.is_err() {
            outcome = allocate(&request, None);
        } else {
            self.saved = outcome.assignments;
        }
        self.failure = saved.err();
        self.seen = Some(inputs);
        store.complete(outcome.completed);
        Some(outcome.problems)
    }

    /// Why nothing new is given, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        let reason = self.failure.as_ref()?;
        Some(format!(
            "no new addresses and ports are given until this is put right: {reason}"
        ))
    }

    fn inputs(&self, store: &Store, is_unreadable: bool) -> Inputs {
        Inputs {
            version: store.version(),
            keep_absent: is_unreadable || !self.unsure.is_empty(),
        }
    }

    fn save(&self, outcome: &Outcome) -> Result<(), String> {
        match &self.file {
            Some(file) if outcome.assignments != self.saved => file
                .save(&outcome.assignments)
                .map_err(|error| format!("{error:#}")),
            _ => Ok(()),
        }
    }
}

/// Good enough to spread numbers; nobody's secret depends on it.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
