//! `test`: the floors, each closed by one line of counts.
//!
//! A floor that fails does not keep the next from being run. Before and after, what interrupted
//! runs left behind is swept. A run of everything also checks that each rule has its test.

use anyhow::{Result, bail, ensure};

use crate::{interrupt, vm};

mod count;
mod floor;
mod list;
mod outcome;
mod rules;
mod step;

pub(crate) use count::Count;
use floor::Floor;
pub(crate) use outcome::{Outcome, Tests};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this floor
    #[arg(long)]
    floor: Option<Floor>,
    /// Then print the table of rules: which test shows which, and what is not shown and why
    #[arg(long, conflicts_with_all = ["floor", "filter"])]
    rules: bool,
    /// With --rules: print the table without running the tests
    #[arg(long, requires = "rules")]
    list: bool,
    /// Only tests with this in their names
    filter: Option<String>,
}

/// What a floor came to.
#[derive(Default)]
struct Ran {
    count: Count,
    tests: Tests,
}

impl Ran {
    fn take_line(&mut self, line: &str) {
        self.count.take_line(line);
        self.tests.take_line(line);
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        return rules::report(&list::tests()?);
    }
    let floors = match options.floor {
        Some(one) => vec![one],
        None => Floor::all(options.filter.is_some()),
    };
    let as_root = floors.iter().any(|floor| floor.needs_root());
    ensure!(
        !as_root || tidegate_rig::is_root(),
        "the floors journeys, kernel and e2e need root: run as root, or --floor unit only"
    );
    if as_root {
        interrupt::clean_up_when_interrupted()?;
        sweep();
    }
    let (mut counts, mut tests) = (Vec::new(), Tests::default());
    for floor in floors {
        let ran = run_floor(floor, options);
        counts.push((floor, ran.count));
        tests.extend(ran.tests);
    }
    if as_root {
        sweep();
    }
    println!();
    let rules = match options {
        Options { rules: true, .. } => rules::report(&tests),
        // Part of the tests is no base to say what is missing.
        Options {
            floor: None,
            filter: None,
            ..
        } => rules::check(&tests),
        _ => Ok(()),
    };
    for (floor, count) in &counts {
        println!("{}: {count}", floor.name());
    }
    judge(&counts, options.filter.is_some()).and(rules)
}

fn judge(counts: &[(Floor, Count)], filtered: bool) -> Result<()> {
    if counts.iter().any(|(_, count)| count.failed > 0) {
        bail!("tests failed");
    }
    // Where there is no other kernel to be had, or no emulator, that floor is skipped, and says so.
    let is_spared = |floor: Floor, count: Count| floor == Floor::Vm && count.skipped > 0;
    let empty = |(floor, count): &&(Floor, Count)| count.passed == 0 && !is_spared(*floor, *count);
    match counts.iter().find(empty) {
        // A filter leaves floors empty, but not all of them.
        Some(_) if filtered && !counts.iter().all(|count| empty(&count)) => Ok(()),
        Some((floor, _)) => bail!("floor {} ran no test", floor.name()),
        None => Ok(()),
    }
}

fn run_floor(floor: Floor, options: &Options) -> Ran {
    println!("\n== {} ==", floor.name());
    let mut ran = Ran::default();
    if floor == Floor::Vm {
        match vm::quick(options.filter.as_deref()) {
            Ok(count) => ran.count = count,
            Err(error) => broken(&error, &mut ran.count),
        }
        return ran;
    }
    match step::all(floor, options.filter.as_deref()) {
        Ok(steps) => {
            for step in steps {
                let outcome = step.run(&mut ran);
                outcome.unwrap_or_else(|error| broken(&error, &mut ran.count));
            }
        }
        Err(error) => broken(&error, &mut ran.count),
    }
    ran
}

/// What could not be run did not pass.
fn broken(error: &anyhow::Error, count: &mut Count) {
    eprintln!("x: {error:#}; counted as one failure");
    count.failed += 1;
}

fn sweep() {
    let swept = tidegate_rig::sweep();
    if !swept.is_nothing() {
        println!("x: removed what an interrupted run left: {swept}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u32, failed: u32) -> Count {
        Count {
            passed,
            failed,
            skipped: 0,
        }
    }

    #[test]
    fn one_failure_on_any_floor_fails_the_run() {
        assert!(
            judge(
                &[(Floor::Unit, count(9, 0)), (Floor::E2e, count(3, 1))],
                false
            )
            .is_err()
        );
        assert!(
            judge(
                &[(Floor::Unit, count(9, 0)), (Floor::E2e, count(3, 0))],
                false
            )
            .is_ok()
        );
    }

    #[test]
    fn a_floor_without_tests_fails_the_run_unless_a_filter_emptied_it() {
        let counts = [(Floor::Unit, count(9, 0)), (Floor::Kernel, count(0, 0))];
        assert!(judge(&counts, false).is_err());
        assert!(judge(&counts, true).is_ok());
        assert!(judge(&counts[1..], true).is_err());
        let skipped = Count {
            skipped: 1,
            ..count(0, 0)
        };
        assert!(judge(&[counts[0], (Floor::Vm, skipped)], false).is_ok());
        assert!(judge(&[counts[0], (Floor::E2e, skipped)], false).is_err());
    }
}
