//! The TOML file: reads the same texts as the command line, so both accept the same values.

use std::{fmt::Display, fs, path::Path, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error};

use super::Options;
use crate::failure::Failure;

/// Reads a configuration file.
pub(crate) fn read(path: &Path) -> Result<Options, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("cannot read --config {shown}: {error}")))?;
    parse(&text).map_err(|reason| Failure::Usage(format!("{shown}: {reason}")))
}

/// Parses a configuration file's text; the error is one line that names line and reason.
pub(crate) fn parse(text: &str) -> Result<Options, String> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count() + 1);
        format!("line {line}: {}", error.message())
    })
}

/// A TOML value that can stand for a flag's text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(i64),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// `Some` of whatever the flag's own parser makes of the text.
pub(super) fn scalar<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let text = match Scalar::deserialize(deserializer)? {
        Scalar::Text(text) => text,
        Scalar::Number(number) => number.to_string(),
    };
    text.parse().map(Some).map_err(D::Error::custom)
}

/// A list of strings, or one string with commas.
pub(super) fn list<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let texts = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => text.split(',').map(str::to_owned).collect(),
        OneOrMany::Many(texts) => texts,
    };
    texts
        .iter()
        .map(|text| text.trim().parse().map_err(D::Error::custom))
        .collect()
}
