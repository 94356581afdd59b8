//! Where Services and endpoints come from. So far: manifest files.

pub(crate) mod kubernetes;
pub(crate) mod manifests;
mod scan;
mod writers;

use std::time::Instant;

use tidegate_control::manifest::Parsed;
use tokio::sync::oneshot;

/// Who tells.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Source {
    /// Files and directories of `--manifests`.
    #[default]
    Manifests,
    /// The standalone store, which the local API writes.
    Api,
    /// The Kubernetes API server.
    Kubernetes,
}

impl Source {
    /// As `status` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Manifests => "manifests",
            Self::Api => "api",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// What a source has to tell since the last time.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) source: Source,
    pub(crate) changes: Vec<Change>,
    /// Everything that cannot be read at this time, one line each; the last good state of it stays.
    pub(crate) unreadable: Vec<String>,
    /// When the first of it was heard of.
    pub(crate) heard: Instant,
    /// The source has not told everything once yet: it is still waited for (rule 5.1.9).
    pub(crate) is_partial: bool,
    /// The blocks of all ServiceCIDRs, from who knows them.
    pub(crate) service_cidrs: Option<Vec<String>>,
    /// Who waits until the maps have it; told what is wrong with the maps, or with the objects of the batch.
    pub(crate) done: Option<oneshot::Sender<Result<(), String>>>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            source: Source::default(),
            changes: Vec::new(),
            unreadable: Vec::new(),
            heard: Instant::now(),
            is_partial: false,
            service_cidrs: None,
            done: None,
        }
    }
}

/// One file's news.
#[derive(Debug)]
pub(crate) enum Change {
    /// The file is new or other than before.
    Parsed { file: String, parsed: Parsed },
    /// The file is gone, and its objects with it.
    Gone { file: String },
}
