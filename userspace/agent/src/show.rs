//! Prints what the agent answers: as a table for people, as JSON or YAML for scripts.

mod describe;
mod rows;
mod screen;
mod status;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};

use anyhow::Context;
use serde::Serialize;

pub(crate) use describe::text as description;
pub(crate) use rows::Listed;
pub(crate) use screen::{Colour, Screen, Tint, screen, set_colour};
pub(crate) use status::text as status;
pub(crate) use table::{Cell, Column, Layout, render, wrapped};

use crate::failure::Failure;

/// For people to read, too.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    Ok(format!("{text}\n"))
}

/// One line.
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<String, Failure> {
    let text = serde_json::to_string(value).context("cannot write JSON")?;
    Ok(format!("{text}\n"))
}

pub(crate) fn yaml<T: Serialize>(value: &T) -> Result<String, Failure> {
    Ok(serde_saphyr::to_string(value).context("cannot write YAML")?)
}

/// Writes to stdout; a reader that has seen enough (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Nobody reads on: who prints for ever would never end.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Unheard),
        Err(error) => Err(anyhow::anyhow!("cannot write to stdout: {error}").into()),
        Ok(()) => Ok(()),
    }
}
