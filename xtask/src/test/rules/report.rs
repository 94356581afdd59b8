//! The table as text: rule, tests, results.

use std::fmt::Write as _;

use super::super::outcome::{Outcome, Tests};
use super::table::Table;
use super::Shown;

pub(super) fn table(table: &Table, shown: &Shown<'_>, tests: &Tests) -> String {
    let mut text = String::new();
    let mut sums = Sums::default();
    for (id, rule) in &table.rules {
        let tests = shown.get(id).map_or(&[][..], Vec::as_slice);
        let reason = rule.untested.as_deref();
        sums.add(tests, reason);
        entry(&mut text, (&id.to_string(), &rule.title), tests, reason);
    }
    let rules = sums;
    let mut sums = Sums::default();
    for trap in &table.traps {
        let of_trap = trap.tests.iter().flat_map(|test| tests.named(test));
        let of_trap: Vec<_> = of_trap.collect();
        let reason = trap.untested.as_deref();
        sums.add(&of_trap, reason);
        entry(&mut text, (&trap.id, &trap.title), &of_trap, reason);
    }
    let _written = writeln!(text, "\nrules: {rules}\ntraps: {sums}");
    text
}

fn entry(
    text: &mut String,
    (id, title): (&str, &str),
    tests: &[(&str, Outcome)],
    reason: Option<&str>,
) {
    let _written = writeln!(text, "{id:<7} {title}");
    for (name, outcome) in tests {
        let _written = writeln!(text, "        {:<7} {name}", word(*outcome));
    }
    match reason {
        Some(reason) => drop(writeln!(text, "        not tested: {reason}")),
        None if tests.is_empty() => drop(writeln!(text, "        NO TEST")),
        None => {}
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Listed => "-",
        Outcome::Passed => "ok",
        Outcome::Failed => "FAILED",
        Outcome::Skipped => "skipped",
    }
}

/// How many rules are in which state.
#[derive(Default)]
struct Sums {
    tested: usize,
    failing: usize,
    explained: usize,
    bare: usize,
}

impl Sums {
    fn add(&mut self, tests: &[(&str, Outcome)], reason: Option<&str>) {
        let failing = tests.iter().any(|(_, outcome)| *outcome == Outcome::Failed);
        self.tested += usize::from(!tests.is_empty());
        self.failing += usize::from(failing);
        self.explained += usize::from(tests.is_empty() && reason.is_some());
        self.bare += usize::from(tests.is_empty() && reason.is_none());
    }
}

impl std::fmt::Display for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            tested,
            failing,
            explained,
            bare,
        } = self;
        write!(
            f,
            "{tested} tested, {failing} of them with a failed test; \
             {explained} not tested, with a reason; {bare} without either"
        )
    }
}
