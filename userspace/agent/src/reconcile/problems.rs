//! What is wrong at this time, for `status`; the log hears of each thing once.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_control::{Problem, Severity};

use crate::sources::Source;

/// All that is wrong, by where it comes from.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// Files and directories that cannot be read.
    unreadable: BTreeMap<Source, Vec<String>>,
    files: BTreeMap<String, Vec<String>>,
    /// Who asks for a number that cannot be granted.
    pub(super) allocated: Vec<String>,
    /// Objects that contradict each other.
    pub(super) compiled: Vec<String>,
    /// What does not fit into the maps.
    pub(super) planned: Vec<String>,
    pub(super) devices: Vec<String>,
    /// Other tidegates at the same devices.
    pub(super) beside: Vec<String>,
    /// Pins that cannot be made again.
    pub(super) pins: Option<String>,
    /// Service ranges that cannot be told to the data path.
    pub(super) ranges: Vec<String>,
    /// Ports for health checks that cannot be opened.
    pub(super) health: Vec<String>,
    /// The last write that failed; `None` after one that worked.
    pub(super) failure: Option<String>,
    /// What the log has heard of and what is still true.
    told: BTreeSet<String>,
}

impl Problems {
    /// Replaces what is wrong in a file.
    pub(super) fn set_file(&mut self, file: String, problems: &[Problem]) {
        match lines(problems) {
            empty if empty.is_empty() => self.files.remove(&file),
            lines => self.files.insert(file, lines),
        };
    }

    /// Replaces what a source cannot read.
    pub(super) fn set_unreadable(&mut self, source: Source, lines: Vec<String>) {
        if lines.is_empty() {
            self.unreadable.remove(&source);
        } else {
            self.unreadable.insert(source, lines);
        }
    }

    /// How much of a source cannot be read.
    pub(super) fn unreadable(&self, source: Source) -> usize {
        self.unreadable.get(&source).map_or(0, Vec::len)
    }

    /// Whether something cannot be read, so that any object may be in it.
    pub(super) fn has_unreadable(&self) -> bool {
        !self.unreadable.is_empty()
    }

    /// Everything, one line each.
    pub(super) fn all(&self) -> Vec<String> {
        let lists = [
            &self.allocated,
            &self.compiled,
            &self.planned,
            &self.devices,
            &self.beside,
            &self.ranges,
            &self.health,
        ];
        let files = self
            .files
            .values()
            .chain(self.unreadable.values())
            .flatten();
        files
            .chain(lists.into_iter().flatten())
            .chain(&self.pins)
            .chain(&self.failure)
            .cloned()
            .collect()
    }

    /// How many lines there were when last told.
    pub(super) fn count(&self) -> usize {
        self.told.len()
    }

    /// Warns of what was not there the last time.
    pub(super) fn report(&mut self) {
        let now: BTreeSet<String> = self.all().into_iter().collect();
        for line in now.difference(&self.told) {
            tracing::warn!("{line}");
        }
        self.told = now;
    }
}

/// One line each. Notes say that something was left out on purpose, which is nothing wrong.
pub(super) fn lines(problems: &[Problem]) -> Vec<String> {
    let wrong = problems
        .iter()
        .filter(|problem| problem.severity > Severity::Note);
    wrong.map(ToString::to_string).collect()
}
