//! What a machine's jobs came to, read from its serial line.

use std::collections::BTreeMap;

use super::floors::{Floor, Job};
use super::skips::Skip;
use crate::test::{Count, Outcome, Tests};

/// What a job has said so far.
#[derive(Debug, Default)]
struct Said {
    count: Count,
    tests: Tests,
    ended: Option<String>,
    /// Programs that were refused, or took too much.
    bad: Vec<String>,
}

/// Takes the line, and knows at the end what became of each job.
#[derive(Debug)]
pub(super) struct Verdict<'a> {
    jobs: &'a [Job],
    now: Option<usize>,
    said: Vec<Said>,
    instructions: BTreeMap<String, Option<u32>>,
    done: bool,
}

impl<'a> Verdict<'a> {
    pub(super) fn new(jobs: &'a [Job]) -> Self {
        Self {
            jobs,
            now: None,
            said: jobs.iter().map(|_job| Said::default()).collect(),
            instructions: BTreeMap::new(),
            done: false,
        }
    }

    pub(super) fn take_line(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("@begin ") {
            self.now = self.jobs.iter().position(|job| job.name == name);
        } else if line == "@done" {
            self.done = true;
        } else if let Some(now) = self.now {
            let said = &mut self.said[now];
            if let Some((_, ended)) = line.strip_prefix("@end ").and_then(|it| it.split_once(' ')) {
                said.ended = Some(ended.to_owned());
                self.now = None;
                return;
            }
            said.count.take_line(line);
            said.tests.take_line(line);
            if self.jobs[now].floor == Floor::Load {
                self.instructions.extend(instructions(line));
                if line.contains(" REFUSED ") || line.contains(", its budget is ") {
                    said.bad.push(line.to_owned());
                }
            }
        }
    }

    /// Whether every job has had its turn.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// What the verifier counted for each program, where it tells.
    pub(super) fn instructions(&self) -> &BTreeMap<String, Option<u32>> {
        &self.instructions
    }

    /// Passed, failed and skipped on a floor.
    pub(super) fn count(&self, floor: Floor) -> Count {
        let mut sum = Count::default();
        for (job, said) in self.jobs.iter().zip(&self.said) {
            if job.floor == floor {
                sum.add(self.count_of(job, said));
            }
        }
        sum
    }

    fn count_of(&self, job: &Job, said: &Said) -> Count {
        let mut count = said.count;
        if job.floor == Floor::Load {
            let number = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
            count.failed = number(said.bad.len());
            count.passed = number(self.instructions.len()).saturating_sub(
                // Those that took too much were counted all the same.
                number(
                    said.bad
                        .iter()
                        .filter(|line| !line.contains(" REFUSED "))
                        .count(),
                ),
            );
        }
        let ended_well = said.ended.as_deref() == Some("exit 0");
        if !ended_well && count.failed == 0 {
            count.failed = 1;
        }
        count.skipped += u32::try_from(job.skips.len()).unwrap_or(u32::MAX);
        count
    }

    /// A line for each test that was not run.
    pub(super) fn skipped(&self) -> Vec<String> {
        let of_job = |job: &Job| {
            let line = |skip: &&Skip| format!("{} {}: {}", job.floor.name(), skip.test, skip.why);
            job.skips.iter().map(line).collect::<Vec<_>>()
        };
        self.jobs.iter().flat_map(of_job).collect()
    }

    /// A line for each failure.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (job, said) in self.jobs.iter().zip(&self.said) {
            let failed = said
                .tests
                .all()
                .filter(|(_, outcome)| *outcome == Outcome::Failed);
            lines.extend(
                failed.map(|(test, _)| format!("{} {}: {test}", job.floor.name(), job.name)),
            );
            lines.extend(
                said.bad
                    .iter()
                    .map(|line| format!("{}: {line}", job.floor.name())),
            );
            match said.ended.as_deref() {
                Some("exit 1") if !said.bad.is_empty() => {}
                Some("exit 0" | "exit 101") => {}
                Some(other) => lines.push(format!("{} {}: {other}", job.floor.name(), job.name)),
                None => lines.push(format!("{} {}: did not end", job.floor.name(), job.name)),
            }
        }
        lines
    }
}

/// A program's line in what `verify` prints: name, number, share of the limit.
fn instructions(line: &str) -> Option<(String, Option<u32>)> {
    let mut words = line.split_whitespace();
    let (name, count, share) = (words.next()?, words.next()?, words.next()?);
    (share.ends_with('%') && words.next().is_none()).then_some(())?;
    Some((name.to_owned(), count.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::super::{floors, kernels::Kernel};
    use super::*;

    fn jobs() -> Vec<Job> {
        floors::jobs(Kernel::Newest, &[Floor::Load, Floor::Kernel], &[])
    }

    fn judged<'a>(jobs: &'a [Job], lines: &[&str]) -> Verdict<'a> {
        let mut verdict = Verdict::new(jobs);
        lines.iter().for_each(|line| verdict.take_line(line));
        verdict
    }

    const LOADED: [&str; 6] = [
        "@begin verify",
        "program        instructions of limit",
        "xdp_uplink           326572    32.7%",
        "recvmsg4                 49     0.0%",
        "",
        "@end verify exit 0",
    ];

    #[test]
    fn every_program_that_was_counted_has_passed() {
        let jobs = jobs();
        let verdict = judged(&jobs, &LOADED);
        assert_eq!(verdict.count(Floor::Load).to_string(), "2 passed, 0 failed");
        assert_eq!(verdict.instructions()["xdp_uplink"], Some(326_572));
        // The other floor never began.
        assert_eq!(
            verdict.count(Floor::Kernel).to_string(),
            "0 passed, 1 failed"
        );
        assert!(!verdict.is_done());
        assert_eq!(verdict.failures(), ["kernel kernel: did not end"]);
    }

    #[test]
    fn a_program_that_is_refused_or_takes_too_much_has_failed() {
        let jobs = jobs();
        let said = [
            LOADED[0],
            LOADED[2],
            "xdp_uplink: 326572 instructions, its budget is 300000",
            "tc_pod         REFUSED this kernel refuses program tc_pod: too large",
            LOADED[3],
            "@end verify exit 1",
        ];
        let verdict = judged(&jobs, &said);
        assert_eq!(verdict.count(Floor::Load).to_string(), "1 passed, 2 failed");
        let failures = verdict.failures();
        assert_eq!(failures.len(), 3, "{failures:?}");
        assert!(failures[0].contains("its budget is") && failures[1].contains("too large"));
    }

    #[test]
    fn tests_are_counted_and_those_that_failed_are_named() {
        let jobs = jobs();
        let said = [
            "@begin kernel",
            "test a::one ... ok",
            "test b::two ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured",
            "@end kernel exit 101",
            "@done",
        ];
        let verdict = judged(&jobs, &[&LOADED[..], &said].concat());
        assert_eq!(
            verdict.count(Floor::Kernel).to_string(),
            "1 passed, 1 failed"
        );
        assert_eq!(verdict.failures(), ["kernel kernel: b::two"]);
        assert!(verdict.is_done());
    }

    #[test]
    fn a_job_that_died_failed_whatever_it_said() {
        let jobs = jobs();
        let said = [
            "@begin kernel",
            "test a ... ok",
            "@end kernel not within 300 s",
        ];
        let verdict = judged(&jobs, &[&LOADED[..], &said].concat());
        assert_eq!(
            verdict.count(Floor::Kernel).to_string(),
            "0 passed, 1 failed"
        );
        assert_eq!(verdict.failures(), ["kernel kernel: not within 300 s"]);
    }
}
