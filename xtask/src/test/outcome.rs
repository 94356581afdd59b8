//! The names of tests and how they went, from what cargo prints.

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Listed, not run.
    Listed,
    Passed,
    Failed,
    Skipped,
}

/// All tests that were seen. Tests of two programs may have the same path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tests {
    seen: Vec<(String, Outcome)>,
    /// The last one has no result yet: what it prints may stand between.
    pending: bool,
}

impl Tests {
    /// Takes `test <path> ... ok`, or `<path>: test` of a list; other lines are nothing.
    pub(crate) fn take_line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some((path, rest)) = started(line) {
            self.seen.push((path.to_owned(), Outcome::Failed));
            self.pending = true;
            self.finish(rest);
        } else if let Some(path) = line.strip_suffix(": test") {
            self.seen.push((path.to_owned(), Outcome::Listed));
        } else if self.pending {
            self.finish(line);
        }
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.seen.extend(more.seen);
        self.pending = false;
    }

    fn finish(&mut self, text: &str) {
        let ends = |word| text.ends_with(word);
        let outcome = if ends("ok") {
            Outcome::Passed
        } else if ends("FAILED") {
            Outcome::Failed
        } else if text.contains("ignored") {
            Outcome::Skipped
        } else {
            return;
        };
        if let Some((_, last)) = self.seen.last_mut() {
            *last = outcome;
        }
        self.pending = false;
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, Outcome)> {
        let all = self.seen.iter();
        all.map(|(path, outcome)| (path.as_str(), *outcome))
    }

    #[cfg(test)]
    pub(super) fn listed(paths: &[&str]) -> Self {
        let mut tests = Self::default();
        paths
            .iter()
            .for_each(|path| tests.take_line(&format!("{path}: test")));
        tests
    }
}

/// A test's path has no space, so a sentence that begins with "test" is none.
fn started(line: &str) -> Option<(&str, &str)> {
    let (path, rest) = line
        .strip_prefix("test ")?
        .split_once(" ... ")
        .or_else(|| {
            let path = line.strip_prefix("test ")?.strip_suffix(" ...")?;
            Some((path, ""))
        })?;
    let path = path.strip_suffix(" - should panic").unwrap_or(path);
    (!path.contains(' ')).then_some((path, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lines: &[&str]) -> Vec<(String, Outcome)> {
        let mut tests = Tests::default();
        lines.iter().for_each(|line| tests.take_line(line));
        tests.seen
    }

    #[test]
    fn results_stand_behind_the_names_or_later() {
        let found = taken(&[
            "running 3 tests",
            "test a::one ... ok",
            "test b ... FAILED",
            "test c ... a line that the test printed",
            "another",
            "ok",
            "test d ... ignored, no SCTP here",
            "test result: ok. 3 passed; 0 failed",
        ]);
        let expected = [
            ("a::one", Outcome::Passed),
            ("b", Outcome::Failed),
            ("c", Outcome::Passed),
            ("d", Outcome::Skipped),
        ];
        assert_eq!(
            found,
            expected.map(|(name, outcome)| (name.to_owned(), outcome))
        );
    }

    #[test]
    fn a_test_that_never_ended_failed() {
        assert_eq!(taken(&["test a ... "]), [("a".to_owned(), Outcome::Failed)]);
    }

    #[test]
    fn a_list_has_names_only() {
        let found = taken(&["a::one: test", "2 tests, 0 benchmarks"]);
        assert_eq!(found, [("a::one".to_owned(), Outcome::Listed)]);
    }
}
