//! The table that `./x vm` ends with: kernels by floors.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};

use super::floors::Floor;
use super::kernels::Kernel;
use super::verdict::Verdict;
use crate::test::Count;

/// What one kernel came to.
#[derive(Debug)]
pub(crate) struct Row {
    kernel: Kernel,
    /// What `uname -r` says, or why there is no such kernel.
    release: Result<String, String>,
    /// Whether it is a failure that there is none.
    is_required: bool,
    counts: Vec<Count>,
    failures: Vec<String>,
    skipped: Vec<String>,
    instructions: BTreeMap<String, Option<u32>>,
    took: Duration,
}

#[derive(Debug)]
pub(crate) struct Matrix {
    floors: Vec<Floor>,
    rows: Vec<Row>,
}

impl Row {
    pub(super) fn new(
        kernel: Kernel,
        release: &str,
        verdict: &Verdict<'_>,
        floors: &[Floor],
        complaints: Vec<String>,
        took: Duration,
    ) -> Self {
        let mut failures = verdict.failures();
        failures.extend(complaints);
        Self {
            kernel,
            release: Ok(release.to_owned()),
            is_required: true,
            counts: floors.iter().map(|floor| verdict.count(*floor)).collect(),
            failures,
            skipped: verdict.skipped(),
            instructions: verdict.instructions().clone(),
            took,
        }
    }

    /// A kernel that could not be had.
    pub(super) fn unfetched(kernel: Kernel, is_required: bool, error: &anyhow::Error) -> Self {
        let why = format!("{error:#}")
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        Self {
            kernel,
            release: Err(why),
            is_required,
            counts: Vec::new(),
            failures: Vec::new(),
            skipped: Vec::new(),
            instructions: BTreeMap::new(),
            took: Duration::ZERO,
        }
    }

    /// All floors together; a complaint that no test made is one failure more.
    fn sum(&self) -> Count {
        let mut sum = Count::default();
        self.counts.iter().for_each(|count| sum.add(*count));
        match &self.release {
            Err(_) if self.is_required => sum.failed += 1,
            Err(_) => sum.skipped += 1,
            Ok(_) if sum.failed == 0 && !self.failures.is_empty() => sum.failed += 1,
            Ok(_) => {}
        }
        sum
    }
}

impl Matrix {
    pub(super) fn new(floors: &[Floor]) -> Self {
        Self {
            floors: floors.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// All kernels together.
    pub(crate) fn sum(&self) -> Count {
        let mut sum = Count::default();
        self.rows.iter().for_each(|row| sum.add(row.sum()));
        sum
    }

    pub(super) fn judge(&self) -> Result<()> {
        let sum = self.sum();
        if sum.failed > 0 {
            bail!("tests failed");
        }
        if sum.passed == 0 {
            bail!("no test was run");
        }
        Ok(())
    }

    fn instructions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted: Vec<_> = self
            .rows
            .iter()
            .filter(|row| !row.instructions.is_empty())
            .collect();
        let Some(first) = counted.first() else {
            return Ok(());
        };
        write!(f, "\n{:<14}", "instructions")?;
        for row in &counted {
            write!(f, " {:>10}", row.kernel.name())?;
        }
        writeln!(f)?;
        for program in first.instructions.keys() {
            write!(f, "{program:<14}")?;
            for row in &counted {
                let count = match row.instructions.get(program) {
                    Some(Some(count)) => count.to_string(),
                    Some(None) => "loaded".to_owned(),
                    None => "refused".to_owned(),
                };
                write!(f, " {count:>10}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<36}", "kernel")?;
        for floor in &self.floors {
            write!(f, "{:<22}", floor.name())?;
        }
        writeln!(f, "seconds")?;
        for row in &self.rows {
            match &row.release {
                Ok(release) => {
                    write!(f, "{:<36}", format!("{} ({release})", row.kernel.name()))?;
                    for count in &row.counts {
                        write!(f, "{:<22}", short(*count))?;
                    }
                    writeln!(f, "{}", row.took.as_secs())?;
                }
                Err(why) => {
                    let word = if row.is_required { "FAILED" } else { "SKIPPED" };
                    writeln!(f, "{:<36}{word}: {why}", row.kernel.name())?;
                }
            }
        }
        self.instructions(f)?;
        for row in &self.rows {
            for line in &row.skipped {
                writeln!(f, "skipped on {}: {line}", row.kernel.name())?;
            }
        }
        for row in &self.rows {
            for line in &row.failures {
                writeln!(f, "FAILED on {}: {line}", row.kernel.name())?;
            }
        }
        let Count {
            passed,
            failed,
            skipped,
        } = self.sum();
        write!(f, "\n{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// As little as a cell needs.
fn short(count: Count) -> String {
    let Count {
        passed,
        failed,
        skipped,
    } = count;
    let mut text = format!("{passed} passed");
    if failed > 0 {
        text += &format!(", {failed} FAILED");
    }
    if skipped > 0 {
        text += &format!(", {skipped} sk.");
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_kernel_that_cannot_be_had_fails_only_where_it_is_required() {
        let mut matrix = Matrix::new(&[Floor::Load]);
        let error = anyhow!("the suite is gone");
        matrix.push(Row::unfetched(Kernel::V5_10, false, &error));
        assert_eq!(matrix.sum().to_string(), "0 passed, 0 failed, 1 skipped");
        matrix.push(Row::unfetched(Kernel::V6_1, true, &anyhow!("no network")));
        assert_eq!(matrix.sum().to_string(), "0 passed, 1 failed, 1 skipped");
        let shown = matrix.to_string();
        assert!(shown.contains("SKIPPED: the suite is gone"), "{shown}");
        assert!(shown.contains("FAILED: no network"), "{shown}");
        assert!(
            shown.ends_with("\n0 passed, 1 failed, 1 skipped"),
            "{shown}"
        );
        assert!(matrix.judge().is_err());
    }
}
