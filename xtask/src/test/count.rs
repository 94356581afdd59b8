//! Counting tests from cargo's own summary lines.

use std::fmt;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

impl Count {
    pub(crate) fn add(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.skipped += more.skipped;
    }

    /// Adds up `test result: ok. 3 passed; 0 failed; 1 ignored; ...`; other lines are nothing.
    pub(crate) fn take_line(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else {
            return;
        };
        let Some((_, counts)) = result.split_once(". ") else {
            return;
        };
        for part in counts.split(';') {
            let mut words = part.split_whitespace();
            let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed += number,
                Some("failed") => self.failed += number,
                Some("ignored") => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed")?;
        if *skipped > 0 {
            write!(f, ", {skipped} skipped")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(lines: &[&str]) -> Count {
        let mut count = Count::default();
        lines.iter().for_each(|line| count.take_line(line));
        count
    }

    #[test]
    fn summaries_of_several_programs_add_up() {
        let count = counted(&[
            "running 3 tests",
            "test a_test ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; \
             finished in 0.01s",
            "test result: FAILED. 2 passed; 5 failed; 0 ignored; 0 measured; 0 filtered out",
        ]);
        assert_eq!(
            count,
            Count {
                passed: 5,
                failed: 5,
                skipped: 1
            }
        );
        assert_eq!(count.to_string(), "5 passed, 5 failed, 1 skipped");
    }

    #[test]
    fn a_line_that_only_looks_like_a_summary_counts_nothing() {
        assert_eq!(
            counted(&["test result: odd", "passed; 3 failed", ""]),
            Count::default()
        );
        assert_eq!(Count::default().to_string(), "0 passed, 0 failed");
    }
}
