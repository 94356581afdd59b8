//! The table as text: rule, tests, results.

use std::fmt;

use super::super::outcome::Outcome;
use super::table::Table;
use super::{Named, Shown};

pub(super) fn table(table: &Table, shown: &Shown<'_>) -> String {
    let (mut text, mut rules, mut traps) = (String::new(), Sums::default(), Sums::default());
    for (id, rule) in &table.rules {
        let tests = shown.rules.get(id).map_or(&[][..], Vec::as_slice);
        let reason = rule.untested.as_deref();
        rules.add(tests, reason);
        text += &entry(&id.to_string(), &rule.title, tests, reason);
    }
    for (number, trap) in &table.traps {
        let own = shown.traps.get(number);
        let of_rules = trap.rules.iter().filter_map(|id| shown.rules.get(id));
        let all: Vec<Named<'_>> = own.into_iter().chain(of_rules).flatten().copied().collect();
        let reason = trap.untested.as_deref();
        traps.add(&all, reason);
        let rules: Vec<String> = trap.rules.iter().map(ToString::to_string).collect();
        let title = match rules.is_empty() {
            true => trap.title.clone(),
            false => format!("{}: see {}", trap.title, rules.join(", ")),
        };
        let own = own.map_or(&[][..], Vec::as_slice);
        text += &entry(&format!("T{number}"), &title, own, reason);
    }
    text + &format!("\nrules: {rules}\ntraps: {traps}\n")
}

fn entry(id: &str, title: &str, tests: &[Named<'_>], reason: Option<&str>) -> String {
    let line = |(name, outcome): &Named<'_>| format!("        {:<7} {name}\n", word(*outcome));
    let tests: String = tests.iter().map(line).collect();
    let reason = reason.map_or(String::new(), |it| format!("        not tested: {it}\n"));
    format!("{id:<7} {title}\n{tests}{reason}")
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Listed => "-",
        Outcome::Passed => "ok",
        Outcome::Failed => "FAILED",
        Outcome::Skipped => "skipped",
    }
}

/// How many are in which state.
#[derive(Default)]
struct Sums {
    tested: usize,
    failing: usize,
    excused: usize,
    bare: usize,
}

impl Sums {
    fn add(&mut self, tests: &[Named<'_>], reason: Option<&str>) {
        let failing = tests.iter().any(|(_, outcome)| *outcome == Outcome::Failed);
        self.tested += usize::from(!tests.is_empty());
        self.failing += usize::from(failing);
        self.excused += usize::from(tests.is_empty() && reason.is_some());
        self.bare += usize::from(tests.is_empty() && reason.is_none());
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tested,
            failing,
            excused,
            bare,
        } = self;
        write!(f, "{tested} tested")?;
        if *failing > 0 {
            write!(f, " ({failing} of them with a test that failed)")?;
        }
        write!(f, ", {excused} not tested for a reason")?;
        if *bare > 0 {
            write!(f, ", {bare} WITHOUT TEST OR REASON")?;
        }
        Ok(())
    }
}
