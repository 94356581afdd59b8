//! `test --rules`: which rule of Kubernetes is shown by which test, and what is not shown and why.
//!
//! The rules are listed in `tests/rules.toml`; tests carry their numbers in their names. A rule with
//! neither a test nor a reason fails, and so does one with both, and a test of a rule that is not listed.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

mod id;
mod report;
mod table;

use super::outcome::{Outcome, Tests};
use id::Id;
use table::{FILE, Table};

/// Prints the table and fails as [`check`] does.
pub(super) fn report(tests: &Tests) -> Result<()> {
    let table = Table::read()?;
    let (shown, complaints) = matched(&table, tests);
    print!("{}", report::table(&table, &shown, tests));
    judge(&complaints)
}

/// Only fails, when the names of all tests are there.
pub(super) fn check(tests: &Tests) -> Result<()> {
    judge(&matched(&Table::read()?, tests).1)
}

/// The tests of each rule.
type Shown<'a> = BTreeMap<Id, Vec<(&'a str, Outcome)>>;

fn matched<'a>(table: &Table, tests: &'a Tests) -> (Shown<'a>, Vec<String>) {
    let (mut shown, mut complaints) = (Shown::new(), Vec::new());
    for (name, outcome) in tests.all() {
        let ids = Id::of_test(name).unwrap_or_else(|error| {
            complaints.push(format!("{error:#}"));
            Vec::new()
        });
        for id in ids {
            if !table.rules.contains_key(&id) && !table.later.contains(&id) {
                complaints.push(format!("test {name}: {FILE} has no rule {id}"));
            }
            shown.entry(id).or_default().push((name, outcome));
        }
    }
    for (id, rule) in &table.rules {
        match (shown.contains_key(id), rule.untested.is_some()) {
            (false, false) => complaints.push(format!(
                "rule {id} has no test: write one, or a reason into {FILE}"
            )),
            (true, true) => complaints.push(format!(
                "rule {id} has a test: take its reason for having none out of {FILE}"
            )),
            _ => {}
        }
    }
    for trap in &table.traps {
        let unknown = trap.tests.iter().filter(|test| tests.named(test).next().is_none());
        complaints.extend(unknown.map(|test| format!("trap {}: no test {test}", trap.id)));
    }
    (shown, complaints)
}

fn judge(complaints: &[String]) -> Result<()> {
    ensure!(
        complaints.is_empty(),
        "rules and tests do not agree:\n  {}",
        complaints.join("\n  ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "later = ['7.1.1 to 7.1.3']
        [rules]
        '1.1.1' = 'first'
        '4.2' = 'second'
        [untested]
        '4.2' = 'another component'
        [[trap]]
        id = 'T1'
        title = 'one'
        tests = ['rule_1_1_1_is_kept']";

    fn complaints(names: &[&str]) -> Vec<String> {
        let tests = Tests::listed(names);
        matched(&Table::parse(TABLE).unwrap(), &tests).1
    }

    #[test]
    fn a_rule_needs_a_test_or_a_reason_and_not_both() {
        assert_eq!(complaints(&["a::rule_1_1_1_is_kept", "rule_7_1_2_too"]), [""; 0]);
        let none = complaints(&["b"]);
        assert!(none[0].starts_with("rule 1.1.1 has no test"), "{none:?}");
        assert!(none[1].starts_with("trap T1: no test"), "{none:?}");
        let both = complaints(&["rule_1_1_1_is_kept", "rule_4_2_is_kept"]);
        assert!(both[0].starts_with("rule 4.2 has a test"), "{both:?}");
    }

    #[test]
    fn a_test_of_an_unknown_rule_is_found_out() {
        let found = complaints(&["rule_1_1_1_is_kept", "rule_1_1_2_x", "rule_7_1_4_y", "rule_1_1"]);
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn the_real_table_can_be_read() {
        let table = Table::read().unwrap();
        assert!(table.rules.len() > 270, "{}", table.rules.len());
    }
}
