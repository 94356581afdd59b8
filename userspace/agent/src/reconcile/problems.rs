//! What is wrong at this time, for `status`; the log hears of each thing once.
//!
//! Lists are replaced one at a time, and only what differs is counted: a change costs what it changes, however
//! much is wrong elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tidegate_control::{ObjectKey, Problem, Severity};

use crate::sources::Source;

/// Where a line comes from; shown in this order.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Place {
    File(String),
    /// Files and directories that cannot be read.
    Unreadable(Source),
    /// Who asks for a number that cannot be granted; with the Service, if it is about one.
    Allocated(Option<ObjectKey>),
    /// What a Service loses to others.
    Compiled(ObjectKey),
    /// What does not fit into the maps.
    Planned,
    Devices,
    /// Other tidegates at the same devices.
    Beside,
    /// Pins that cannot be made again.
    Pins,
    /// Service ranges that cannot be told to the data path.
    Ranges,
    /// Pods that there is no room for.
    Pods,
    /// Ports for health checks that cannot be opened.
    Health,
    /// The last write that failed; nothing after one that worked.
    Failure,
}

/// All that is wrong, by where it comes from.
#[derive(Debug, Default)]
pub(super) struct Problems {
    lists: BTreeMap<Place, Vec<String>>,
    /// How often each line is there.
    counts: HashMap<String, usize>,
    /// Lines of which the log has not heard yet.
    new: BTreeSet<String>,
    /// Lines of which it has heard, and that have gone since the last report.
    gone: BTreeSet<String>,
}

impl Problems {
    /// Replaces what is wrong at a place.
    pub(super) fn set(&mut self, place: Place, lines: Vec<String>) {
        if self.of(&place) == lines {
            return;
        }
        for line in &lines {
            self.add(line);
        }
        let old = if lines.is_empty() {
            self.lists.remove(&place)
        } else {
            self.lists.insert(place, lines)
        };
        for line in old.into_iter().flatten() {
            self.remove(line);
        }
    }

    /// Replaces what is wrong in a file.
    pub(super) fn set_file(&mut self, file: String, problems: &[Problem]) {
        self.set(Place::File(file), lines(problems));
    }

    /// What is wrong at a place.
    pub(super) fn of(&self, place: &Place) -> &[String] {
        self.lists.get(place).map_or(&[], Vec::as_slice)
    }

    /// How much of a source cannot be read.
    pub(super) fn unreadable(&self, source: Source) -> usize {
        self.of(&Place::Unreadable(source)).len()
    }

    /// Whether something cannot be read, so that any object may be in it.
    pub(super) fn has_unreadable(&self) -> bool {
        let sources = [Source::Manifests, Source::Api, Source::Kubernetes];
        sources
            .into_iter()
            .any(|source| self.unreadable(source) > 0)
    }

    /// Everything, one line each.
    pub(super) fn all(&self) -> Vec<String> {
        self.lists.values().flatten().cloned().collect()
    }

    /// How many different lines there are.
    pub(super) fn count(&self) -> usize {
        self.counts.len()
    }

    /// Warns of what was not there the last time.
    pub(super) fn report(&mut self) {
        for line in std::mem::take(&mut self.new) {
            tracing::warn!("{line}");
        }
        self.gone.clear();
    }

    fn add(&mut self, line: &str) {
        let count = self.counts.entry(line.to_owned()).or_insert(0);
        *count += 1;
        if *count == 1 && !self.gone.remove(line) {
            self.new.insert(line.to_owned());
        }
    }

    fn remove(&mut self, line: String) {
        let Some(count) = self.counts.get_mut(&line) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&line);
            if !self.new.remove(&line) {
                self.gone.insert(line);
            }
        }
    }
}

/// One line each. Notes say that something was left out on purpose, which is nothing wrong.
pub(super) fn lines(problems: &[Problem]) -> Vec<String> {
    let wrong = problems
        .iter()
        .filter(|problem| problem.severity > Severity::Note);
    wrong.map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_hears_of_a_line_when_it_comes_and_not_while_it_stays() {
        let mut problems = Problems::default();
        let mut turn = |planned: &[&str], ranges: &[&str]| {
            let lines = |all: &[&str]| all.iter().map(ToString::to_string).collect();
            problems.set(Place::Planned, lines(planned));
            problems.set(Place::Ranges, lines(ranges));
            let new: Vec<String> = problems.new.iter().cloned().collect();
            problems.report();
            (new.join(" "), problems.count())
        };
        let told = |text: &str, count| (text.to_owned(), count);
        assert_eq!(turn(&["a", "b"], &["b"]), told("a b", 2));
        assert_eq!(turn(&["b"], &["a"]), told("", 2), "one that moves");
        assert_eq!(turn(&[], &["b"]), told("", 1));
        assert_eq!(turn(&["a"], &["b"]), told("a", 2), "one that is back");
        assert_eq!(turn(&[], &[]), told("", 0));
    }

    #[test]
    fn a_line_that_comes_and_goes_between_reports_is_not_told() {
        let mut problems = Problems::default();
        problems.set(Place::Planned, vec!["a".to_owned()]);
        problems.set(Place::Planned, Vec::new());
        assert!(problems.new.is_empty());
        problems.set(Place::Planned, vec!["a".to_owned()]);
        problems.report();
        problems.set(Place::Planned, Vec::new());
        problems.set(Place::Planned, vec!["a".to_owned()]);
        assert!(problems.new.is_empty());
    }
}
