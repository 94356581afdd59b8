//! `tests/rules.toml`: every rule by its number, in our words, and why those without a test have none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::id::Id;
use crate::cargo::workspace;

/// Where it is.
pub(crate) const FILE: &str = "tests/rules.toml";

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) rules: BTreeMap<Id, Rule>,
    pub(crate) traps: Vec<Trap>,
    /// Rules that tests may pin, though nobody asks for all of them yet.
    pub(crate) later: BTreeSet<Id>,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) title: String,
    /// Why there is no test.
    pub(crate) untested: Option<String>,
}

/// A behaviour that home-made proxies get wrong; it is shown by tests that are named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trap {
    pub(crate) id: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) tests: Vec<String>,
    pub(crate) untested: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules: BTreeMap<String, String>,
    untested: BTreeMap<String, String>,
    later: Vec<String>,
    trap: Vec<Trap>,
}

impl Table {
    pub(crate) fn read() -> Result<Self> {
        let path = workspace().join(FILE);
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {FILE}"))?;
        Self::parse(&text).context(FILE)
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text)?;
        let mut rules = BTreeMap::new();
        for (id, title) in file.rules {
            let untested = file.untested.get(&id).cloned();
            rules.insert(id.parse()?, Rule { title, untested });
        }
        for id in file.untested.keys() {
            ensure!(rules.contains_key(&id.parse()?), "[untested] {id} is no rule");
        }
        let mut later = BTreeSet::new();
        for range in &file.later {
            let (first, last) = range.split_once(" to ").with_context(|| format!("later {range:?}"))?;
            later.extend(first.parse::<Id>()?.up_to(&last.parse()?)?);
        }
        for trap in &file.trap {
            let one = trap.tests.is_empty() != trap.untested.is_none();
            ensure!(one, "{}: either tests or a reason for having none", trap.id);
        }
        Ok(Self {
            rules,
            traps: file.trap,
            later,
        })
    }
}
