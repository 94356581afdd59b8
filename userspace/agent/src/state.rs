//! What outlives the agent: which numbers were given to which Service (rule 7.1.11).
//!
//! One JSON file in `--state-dir`, replaced as a whole: after a crash at any moment it is the old one
//! or the new one. A number reaches the maps only after the file that has it reached the disk. The
//! directory is locked by [`crate::start`], so nobody else writes here.

mod allocator;
mod record;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use tidegate_control::allocate::Assignments;

pub(crate) use allocator::Allocator;

const NAME: &str = "allocations.json";
/// Far beyond what fits into the maps; a larger file is not ours.
const LARGEST: u64 = 1 << 30;

/// The file, which this process alone writes.
#[derive(Debug)]
struct StateFile {
    directory: PathBuf,
}

impl StateFile {
    /// The file of a directory that exists, and what is in it; none if there is no file.
    ///
    /// What cannot be understood ends the start: without it, numbers that are in use would be given
    /// to others.
    fn open(directory: &Path) -> Result<(Self, Option<Assignments>)> {
        let file = Self {
            directory: directory.to_owned(),
        };
        let path = file.path();
        let shown = path.display();
        let remedy = "restore it from a backup, or delete it to have every number given anew";
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((file, None)),
            Err(error) => bail!("cannot read {shown}: {error}: make it readable, {remedy}"),
        };
        match record::parse(&text) {
            Ok(assignments) => Ok((file, Some(assignments))),
            Err(reason) => bail!("{shown} is damaged ({reason}): {remedy}"),
        }
    }

    /// Replaces the content, and returns when the disk has it.
    fn save(&self, assignments: &Assignments) -> Result<()> {
        let path = self.path();
        let text = record::text(assignments).context("cannot write JSON")?;
        replace(&self.directory, NAME, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn path(&self) -> PathBuf {
        self.directory.join(NAME)
    }
}

/// Replaces a file of the directory, and returns when the disk has it. After a crash at any moment it is the
/// old one or the new one.
pub(crate) fn replace(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = directory.join(format!("{name}.new"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, directory.join(name))?;
    File::open(directory)?.sync_all()
}

fn read(path: &Path) -> io::Result<String> {
    let size = fs::metadata(path)?.len();
    if size > LARGEST {
        return Err(io::Error::other(format!("{size} bytes are too many")));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests;
