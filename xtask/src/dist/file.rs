//! A file of a package: where it goes, who may do what with it, what is in it.

use std::fs;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};

use crate::cargo::workspace;

/// A file by its path in a root file system, without the leading slash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

impl File {
    pub(super) fn new(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            mode: 0o644,
            content: content.into(),
        }
    }

    /// A file of this repository.
    pub(super) fn copied(path: &str, from: &str) -> Result<Self> {
        Ok(Self::new(path, source(from)?))
    }

    pub(super) fn executable(mut self) -> Self {
        self.mode = 0o755;
        self
    }

    /// Compressed, with the name that says so.
    pub(super) fn gzipped(self) -> Result<Self> {
        Ok(Self {
            path: format!("{}.gz", self.path),
            content: gzip(&self.content)?,
            mode: self.mode,
        })
    }
}

/// What is in a file of this repository.
pub(super) fn source(path: &str) -> Result<Vec<u8>> {
    fs::read(workspace().join(path)).with_context(|| format!("cannot read {path}"))
}

/// Compressed without a date and a name, so that the same content gives the same bytes.
pub(super) fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    encoder.write_all(content).context("compress")?;
    encoder.finish().context("compress")
}
