//! Where Services and endpoints come from. So far: manifest files.

pub(crate) mod manifests;
mod scan;
mod writers;

use tidegate_control::manifest::Parsed;

/// What a source has to tell since the last time.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) changes: Vec<Change>,
    /// Everything that cannot be read at this time, one line each; the last good state of it stays.
    pub(crate) unreadable: Vec<String>,
}

/// One file's news.
#[derive(Debug)]
pub(crate) enum Change {
    /// The file is new or other than before.
    Parsed { file: String, parsed: Parsed },
    /// The file is gone, and its objects with it.
    Gone { file: String },
}
