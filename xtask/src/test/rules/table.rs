//! `tests/rules.toml`: every rule by its number, in our words, and why those without a test have none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::id::Id;
use crate::cargo::workspace;

/// Where it is.
pub(crate) const FILE: &str = "tests/rules.toml";

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) rules: BTreeMap<Id, Rule>,
    /// By number.
    pub(crate) traps: BTreeMap<u16, Trap>,
    /// Rules that tests may pin, though nobody asks for all of them yet.
    pub(crate) later: BTreeSet<Id>,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) title: String,
    /// Why there is no test.
    pub(crate) untested: Option<String>,
}

/// A behaviour that home-made proxies get wrong; the tests of some rules show it, or tests of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrapEntry {
    is: String,
    #[serde(default)]
    rules: Vec<String>,
    untested: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Trap {
    pub(crate) title: String,
    /// The rules whose tests show it.
    pub(crate) rules: Vec<Id>,
    pub(crate) untested: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules: BTreeMap<String, String>,
    untested: BTreeMap<String, String>,
    later: Vec<String>,
    traps: BTreeMap<String, TrapEntry>,
}

impl Table {
    pub(crate) fn read() -> Result<Self> {
        let path = workspace().join(FILE);
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {FILE}"))?;
        Self::parse(&text).context(FILE)
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut file: File = toml::from_str(text)?;
        let mut rules = BTreeMap::new();
        for (id, title) in file.rules {
            let untested = file.untested.remove(&id);
            rules.insert(id.parse()?, Rule { title, untested });
        }
        if let Some(id) = file.untested.keys().next() {
            bail!("[untested] {id} is no rule");
        }
        let mut later = BTreeSet::new();
        for range in &file.later {
            let (first, last) = range
                .split_once(" to ")
                .with_context(|| format!("later {range:?}"))?;
            later.extend(first.parse::<Id>()?.up_to(&last.parse()?)?);
        }
        let mut traps = BTreeMap::new();
        for (number, entry) in file.traps {
            let trap = Trap::of(entry).with_context(|| format!("trap {number}"))?;
            traps.insert(
                number.parse().with_context(|| format!("trap {number:?}"))?,
                trap,
            );
        }
        Ok(Self {
            rules,
            traps,
            later,
        })
    }
}

impl Trap {
    fn of(entry: TrapEntry) -> Result<Self> {
        let ids = entry.rules.iter().map(|id| id.parse());
        Ok(Self {
            title: entry.is,
            rules: ids.collect::<Result<_>>()?,
            untested: entry.untested,
        })
    }
}
