//! `test --rules`: which rule of Kubernetes is shown by which test, and what is not shown and why.
//!
//! The rules are listed in `tests/rules.toml`; tests carry their numbers in their names. A rule with
//! neither a test nor a reason fails, and so does one with both, and a test of a rule that is not listed.
//! The same goes for traps, which may leave their showing to the tests of rules.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

mod id;
mod report;
mod table;

use super::outcome::{Outcome, Tests};
use id::{Id, trap_of_test};
use table::{FILE, Table};

/// Prints the table and fails as [`check`] does.
pub(super) fn report(tests: &Tests) -> Result<()> {
    let table = Table::read()?;
    let shown = Shown::by(tests);
    print!("{}", report::table(&table, &shown));
    judge(&complaints(&table, &shown))
}

/// Only fails.
pub(super) fn check(tests: &Tests) -> Result<()> {
    judge(&complaints(&Table::read()?, &Shown::by(tests)))
}

type Named<'a> = (&'a str, Outcome);

/// Tests by what they show.
#[derive(Default)]
struct Shown<'a> {
    rules: BTreeMap<Id, Vec<Named<'a>>>,
    traps: BTreeMap<u16, Vec<Named<'a>>>,
    /// Names that cannot be read.
    unreadable: Vec<String>,
}

impl<'a> Shown<'a> {
    fn by(tests: &'a Tests) -> Self {
        let mut shown = Self::default();
        for (name, outcome) in tests.all() {
            if let Err(error) = shown.add(name, outcome) {
                shown.unreadable.push(format!("{error:#}"));
            }
        }
        shown
    }

    fn add(&mut self, name: &'a str, outcome: Outcome) -> Result<()> {
        for id in Id::of_test(name)? {
            self.rules.entry(id).or_default().push((name, outcome));
        }
        if let Some(trap) = trap_of_test(name)? {
            self.traps.entry(trap).or_default().push((name, outcome));
        }
        Ok(())
    }
}

fn complaints(table: &Table, shown: &Shown<'_>) -> Vec<String> {
    let mut complaints = shown.unreadable.clone();
    let known = |id: &Id| table.rules.contains_key(id) || table.later.contains(id);
    for (id, tests) in shown.rules.iter().filter(|(id, _)| !known(id)) {
        let names = tests.iter().map(|(name, _)| name);
        complaints.extend(names.map(|name| format!("test {name}: {FILE} has no rule {id}")));
    }
    for (number, tests) in shown
        .traps
        .iter()
        .filter(|(it, _)| !table.traps.contains_key(it))
    {
        let names = tests.iter().map(|(name, _)| name);
        complaints.extend(names.map(|name| format!("test {name}: {FILE} has no trap {number}")));
    }
    for (id, rule) in &table.rules {
        let tested = shown.rules.contains_key(id);
        complaints.extend(verdict(
            &format!("rule {id}"),
            tested,
            rule.untested.is_some(),
        ));
    }
    for (number, trap) in &table.traps {
        let name = format!("trap {number}");
        for id in trap.rules.iter().filter(|id| !shown.rules.contains_key(id)) {
            complaints.push(format!("{name} is left to rule {id}, which has no test"));
        }
        let tested = shown.traps.contains_key(number) || !trap.rules.is_empty();
        complaints.extend(verdict(&name, tested, trap.untested.is_some()));
    }
    complaints
}

fn verdict(what: &str, tested: bool, excused: bool) -> Option<String> {
    match (tested, excused) {
        (false, false) => Some(format!(
            "{what} has no test: write one, or a reason into {FILE}"
        )),
        (true, true) => Some(format!(
            "{what} has a test: take the reason for none out of {FILE}"
        )),
        _ => None,
    }
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
        [traps]
        1 = { is = 'one', rules = ['1.1.1'] }
        2 = { is = 'two' }";

    const ENOUGH: [&str; 3] = ["a::rule_1_1_1_is_kept", "rule_7_1_2_too", "trap_t2_is_seen"];

    fn found(names: &[&str]) -> Vec<String> {
        let tests = Tests::listed(names);
        complaints(&Table::parse(TABLE).unwrap(), &Shown::by(&tests))
    }

    #[test]
    fn a_rule_needs_a_test_or_a_reason_and_not_both() {
        assert_eq!(found(&ENOUGH), [""; 0]);
        let none = found(&["b"]);
        assert!(none[0].starts_with("rule 1.1.1 has no test"), "{none:?}");
        assert!(
            none[1].starts_with("trap 1 is left to rule 1.1.1"),
            "{none:?}"
        );
        assert!(none[2].starts_with("trap 2 has no test"), "{none:?}");
        let both = found(&[&ENOUGH[..], &["rule_4_2_is_kept"]].concat());
        assert!(both[0].starts_with("rule 4.2 has a test"), "{both:?}");
    }

    #[test]
    fn a_test_of_an_unknown_rule_or_trap_is_found_out() {
        let odd = ["rule_1_1_2_x", "rule_7_1_4_y", "rule_1_1", "trap_t3_z"];
        let found = found(&[&ENOUGH[..], &odd].concat());
        assert_eq!(found.len(), odd.len(), "{found:?}");
    }

    #[test]
    fn the_real_table_has_every_rule_and_trap() {
        let table = Table::read().unwrap();
        assert_eq!((table.rules.len(), table.traps.len()), (325, 72));
        let mut ids = table.traps.values().flat_map(|trap| &trap.rules);
        assert!(ids.all(|id| table.rules.contains_key(id) || table.later.contains(id)));
    }
}
