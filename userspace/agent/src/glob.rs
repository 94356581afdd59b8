//! Device name patterns: `*` stands for any run of characters, `?` for one.
//!
//! No brackets and no braces: interface names are at most 15 bytes and shells make richer lists.

use std::{convert::Infallible, fmt, str::FromStr};

/// One pattern, for example `veth*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Glob(String);

impl Glob {
    /// Whether the whole name fits the pattern.
    pub(crate) fn matches(&self, name: &str) -> bool {
        matches(self.0.as_bytes(), name.as_bytes())
    }

    /// The name itself, when the pattern can match only one.
    pub(crate) fn literal(&self) -> Option<&str> {
        (!self.0.contains(['*', '?'])).then_some(self.0.as_str())
    }
}

impl FromStr for Glob {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether any of the patterns fits.
pub(crate) fn any(globs: &[Glob], name: &str) -> bool {
    globs.iter().any(|glob| glob.matches(name))
}

/// Linear in practice: on a mismatch only the latest `*` swallows one byte more.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(want) if *want == b'?' || want == byte => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else {
                    return false;
                };
                star = Some((at, taken + 1));
                p = at + 1;
                n = taken + 1;
            }
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        Glob(pattern.to_owned()).matches(name)
    }

    #[test]
    fn a_star_matches_any_run_of_characters_even_none() {
        assert!(fits("veth*", "veth"));
        assert!(fits("veth*", "veth12ab"));
        assert!(fits("*0", "eth0"));
        assert!(fits("a*b*c", "axxbyybc"));
        assert!(fits("*", ""));
        assert!(!fits("veth*", "eth0"));
        assert!(!fits("a*b*c", "axxbyyb"));
    }

    #[test]
    fn a_question_mark_matches_exactly_one_character() {
        assert!(fits("eth?", "eth7"));
        assert!(!fits("eth?", "eth"));
        assert!(!fits("eth?", "eth10"));
    }

    #[test]
    fn a_pattern_without_wildcards_is_a_name() {
        assert!(fits("eth0", "eth0"));
        assert!(!fits("eth0", "eth00"));
        assert_eq!(Glob("eth0".into()).literal(), Some("eth0"));
        assert_eq!(Glob("eth*".into()).literal(), None);
    }
}
