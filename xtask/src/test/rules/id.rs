//! The numbers of rules, and how a test's name carries them.
//!
//! `rule_2_4_1_and_2_4_4_every_frontend_refuses` pins 2.4.1 and 2.4.4; `rule_3_1_1_to_3_1_10_…` pins ten
//! rules. Numbers stand at the beginning of the name, one behind the other. What begins like that and
//! cannot be read is an error: a test that pins nothing by accident would be worse.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};

/// `4.12`, `5.7.15`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Id(Vec<u16>);

/// Section 4 has no subsections.
const FLAT: u16 = 4;

impl Id {
    /// All rules that the name of a test carries; `name` is a path, as cargo prints it.
    pub(crate) fn of_test(name: &str) -> Result<Vec<Self>> {
        let mut ids = Vec::new();
        for part in name.split("::") {
            let numbered = part
                .strip_prefix("rule_")
                .or_else(|| part.strip_prefix("rules_"));
            let Some(rest) = numbered else { continue };
            ids.extend(chain(rest).with_context(|| format!("test {name}"))?);
        }
        Ok(ids)
    }

    /// The rules from one to another of the same section.
    pub(crate) fn up_to(&self, last: &Self) -> Result<Vec<Self>> {
        let (Some((from, head)), Some((to, other))) = (self.0.split_last(), last.0.split_last())
        else {
            bail!("no numbers");
        };
        ensure!(head == other && from < to, "{self} to {last} is no range");
        let with = |number| Self(head.iter().copied().chain([number]).collect());
        Ok((*from..=*to).map(with).collect())
    }
}

/// The trap that a test is about: `trap_t10_a_direct_flow_…`.
pub(crate) fn trap_of_test(name: &str) -> Result<Option<u16>> {
    let mut parts = name.split("::");
    let Some(rest) = parts.find_map(|part| part.strip_prefix("trap_t")) else {
        return Ok(None);
    };
    if !rest.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(None);
    }
    let number = rest.split('_').next().unwrap_or_default();
    let number = number
        .parse()
        .with_context(|| format!("test {name}: {number} is no trap's number"))?;
    Ok(Some(number))
}

/// What stands before the first word: `2_4_1_and_2_4_4_to_2_4_6_every_…`.
fn chain(text: &str) -> Result<Vec<Id>> {
    let words: Vec<&str> = text.split('_').collect();
    let mut rest = words.as_slice();
    let mut ids = vec![next(&mut rest)?];
    while let [joint @ ("and" | "to"), number, ..] = rest
        && number.parse::<u16>().is_ok()
    {
        rest = &rest[1..];
        let id = next(&mut rest)?;
        match ids.pop() {
            Some(first) if *joint == "to" => ids.extend(first.up_to(&id)?),
            before => ids.extend(before.into_iter().chain([id])),
        }
    }
    Ok(ids)
}

fn next(words: &mut &[&str]) -> Result<Id> {
    let number = |word: Option<&&str>| word.and_then(|word| word.parse::<u16>().ok());
    let section = number(words.first()).context("`rule_` without a number")?;
    let length = if section == FLAT { 2 } else { 3 };
    let numbers = words.iter().take(length).map(|word| number(Some(word)));
    let numbers: Option<Vec<u16>> = numbers.collect();
    let numbers = numbers.filter(|numbers| numbers.len() == length);
    let numbers =
        numbers.with_context(|| format!("a rule of section {section} has {length} numbers"))?;
    *words = &words[length..];
    ensure!(number(words.first()).is_none(), "one number too many");
    Ok(Id(numbers))
}

impl FromStr for Id {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split('.').map(str::parse);
        let numbers: Result<Vec<u16>, _> = numbers.collect();
        let numbers = numbers.with_context(|| format!("{text:?} is no rule's number"))?;
        ensure!(numbers.len() > 1, "{text:?} is no rule's number");
        Ok(Self(numbers))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u16::to_string).collect();
        f.pad(&numbers.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(name: &str) -> Vec<String> {
        let ids = Id::of_test(name).unwrap();
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_carries_one_number_or_several() {
        assert_eq!(ids("rule_2_4_1_without_endpoints"), ["2.4.1"]);
        assert_eq!(
            ids("a::rule_1_1_6_and_1_1_4_types_change"),
            ["1.1.6", "1.1.4"]
        );
        assert_eq!(ids("rules_2_3_1_and_2_3_2_each_policy"), ["2.3.1", "2.3.2"]);
        assert_eq!(
            ids("rule_4_21_and_4_1_and_1_7_1_fifteen"),
            ["4.21", "4.1", "1.7.1"]
        );
        assert_eq!(ids("x::rule_4_2_one::in_the_kernel"), ["4.2"]);
    }

    #[test]
    fn a_range_is_all_of_its_rules() {
        assert_eq!(
            ids("rule_3_1_1_to_3_1_3_cells"),
            ["3.1.1", "3.1.2", "3.1.3"]
        );
        assert_eq!(
            ids("rule_1_1_1_and_4_7_to_4_8_and_2_1_1_x"),
            ["1.1.1", "4.7", "4.8", "2.1.1"]
        );
        for backwards in ["rule_3_1_3_to_3_1_1_x", "rule_3_1_1_to_3_2_2_x"] {
            assert!(Id::of_test(backwards).is_err(), "{backwards}");
        }
    }

    #[test]
    fn numbers_that_pin_nothing_are_not_taken_for_rules() {
        assert_eq!(ids("the_rule_of_three"), [""; 0]);
        assert_eq!(ids("rule_5_1_1_and_then_within_100_ms_and_more"), ["5.1.1"]);
        assert_eq!(ids("every_rule_2_4_1_is_kept"), [""; 0]);
    }

    #[test]
    fn a_trap_has_its_own_prefix() {
        assert_eq!(
            trap_of_test("a::trap_t10_is_none::on_the_host").unwrap(),
            Some(10)
        );
        assert_eq!(trap_of_test("rule_2_4_1_trap_t10").unwrap(), None);
        assert!(trap_of_test("trap_ten").unwrap().is_none());
        assert!(trap_of_test("trap_t10x_is_none").is_err());
    }

    #[test]
    fn what_begins_like_a_number_must_be_one() {
        for bad in [
            "rule_2_4_works",
            "rule_of_three",
            "rule_4_2_2_pods",
            "rule_1_1_1_and_4_x",
        ] {
            assert!(Id::of_test(bad).is_err(), "{bad}");
        }
    }
}
