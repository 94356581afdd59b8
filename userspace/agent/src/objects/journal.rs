//! The standalone store on disk: a file of transactions, each there as a whole or not at all.
//!
//! ```text
//! tidegate objects 1
//! +7 Service/default/web {"apiVersion":"v1",…}     an object, and the version at which it was made
//! -Service/default/old                             an object that is gone
//! =4b2c… 9                                         end: checksum of the lines above, version
//! ```
//!
//! A transaction is appended and synced before anything else learns of it. What a crash leaves behind the
//! last whole transaction is cut off by the next append; a failed append is cut off at once, which needs
//! no room on the disk. The file is written anew, and renamed into place, when most of it is history.
//! Nothing is written before there is something to store: an agent starts on a full or read-only disk.

mod replay;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

pub(super) use replay::Step;

const NAME: &str = "objects.log";
const HEADER: &str = "tidegate objects 1\n";
/// Below this size history is not worth a new file.
const SMALL: u64 = 1 << 20;
/// How many times its content the file may be.
const HISTORY: u64 = 3;

/// The file, which this process alone writes.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    /// Opened when there is something to write.
    file: Option<File>,
    /// Where the last whole transaction ends.
    end: u64,
    /// Size at which the file is written anew.
    limit: u64,
}

/// What a transaction does.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    lines: String,
}

impl Transaction {
    /// Stores an object's JSON, which must be one line.
    pub(super) fn put(&mut self, first: u64, key: &str, json: &str) {
        self.lines.push_str(&format!("+{first} {key} {json}\n"));
    }

    /// Removes an object.
    pub(super) fn delete(&mut self, key: &str) {
        self.lines.push_str(&format!("-{key}\n"));
    }

    fn text(mut self, version: u64) -> String {
        let end = replay::end(&self.lines, version);
        self.lines.push_str(&end);
        self.lines
    }
}

impl Journal {
    /// The file of a directory that exists, what is in it, and its version.
    pub(super) fn open(directory: &Path) -> Result<(Self, Vec<Step>, u64)> {
        let mut journal = Self {
            directory: directory.to_owned(),
            file: None,
            end: 0,
            limit: SMALL,
        };
        let path = journal.path();
        let shown = path.display();
        let remedy = "restore it from a backup, or delete it to begin without objects";
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((journal, Vec::new(), 0));
            }
            Err(error) => bail!("cannot read {shown}: {error}: make it readable, {remedy}"),
        };
        let replayed = match replay::replay(&content) {
            Ok(replayed) => replayed,
            Err(reason) => bail!("{shown} is damaged ({reason}): {remedy}"),
        };
        if replayed.end < content.len() as u64 {
            tracing::warn!(
                "{shown}: the last change had not reached the disk as a whole, and is left out"
            );
        }
        journal.end = replayed.end;
        journal.limit = SMALL.max(replayed.end * HISTORY);
        Ok((journal, replayed.steps, replayed.version))
    }

    /// Appends a transaction, and returns when the disk has it. After an error the file is as before.
    pub(super) fn append(&mut self, transaction: Transaction, version: u64) -> io::Result<()> {
        let text = transaction.text(version);
        let is_new = self.end == 0;
        let header = if is_new { HEADER } else { "" };
        let end = self.end;
        let file = self.file()?;
        let written = write(file, end, &[header, &text]);
        if let Err(error) = written {
            // What cannot be cut off now is cut off by the next append or left out by the next start.
            let _cut = file.set_len(end).and_then(|()| file.sync_all());
            return Err(error);
        }
        if is_new {
            File::open(&self.directory)?.sync_all()?;
        }
        self.end += (header.len() + text.len()) as u64;
        Ok(())
    }

    /// Whether most of the file is history.
    pub(super) fn is_long(&self) -> bool {
        self.end > self.limit
    }

    /// Replaces the file by one that holds nothing but this. A failure costs nothing but room.
    pub(super) fn rewrite(&mut self, transaction: Transaction, version: u64) -> io::Result<()> {
        // Not at every append, should it fail.
        self.limit = self.end.saturating_mul(2);
        let text = transaction.text(version);
        let aside = self.directory.join(format!("{NAME}.new"));
        let result = replace(&aside, &self.path(), &[HEADER, &text]);
        let file = result.inspect_err(|_failed| {
            // It takes room, and whether it can be removed changes nothing.
            let _gone = fs::remove_file(&aside);
        })?;
        self.file = Some(file);
        self.end = (HEADER.len() + text.len()) as u64;
        self.limit = SMALL.max(self.end * HISTORY);
        File::open(&self.directory)?.sync_all()
    }

    /// Where the store is.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => options().truncate(false).open(self.path())?,
        };
        Ok(self.file.insert(file))
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

fn write(file: &File, end: u64, texts: &[&str]) -> io::Result<()> {
    file.set_len(end)?;
    let mut at = end;
    for text in texts {
        file.write_all_at(text.as_bytes(), at)?;
        at += text.len() as u64;
    }
    file.sync_all()
}

fn replace(aside: &Path, path: &Path, texts: &[&str]) -> io::Result<File> {
    let mut file = options().truncate(true).open(aside)?;
    for text in texts {
        file.write_all(text.as_bytes())?;
    }
    file.sync_all()?;
    fs::rename(aside, path)?;
    Ok(file)
}
