//! What can go wrong between the agent and the kernel.

/// An error of this crate: one clear sentence for the operator, and its cause.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    what: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure without a deeper cause.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            source: None,
        }
    }

    /// A failure with its cause, whose innermost text ends the sentence: it names the errno.
    pub(crate) fn because(
        what: impl std::fmt::Display,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let mut root: &dyn std::error::Error = &source;
        while let Some(deeper) = root.source() {
            root = deeper;
        }
        Self {
            what: format!("{what}: {root}"),
            source: Some(Box::new(source)),
        }
    }
}

/// `result.step("attach to eth0")?`: names the step that failed.
pub(crate) trait Step<T> {
    /// Turns the error into one of ours.
    fn step(self, what: impl std::fmt::Display) -> Result<T, Error>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> Step<T> for Result<T, E> {
    fn step(self, what: impl std::fmt::Display) -> Result<T, Error> {
        self.map_err(|source| Error::because(what, source))
    }
}
