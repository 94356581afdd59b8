//! Which kernels there are to try, and where Debian keeps them.

use clap::ValueEnum;

/// A kernel, by the version that stays when its package is updated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Kernel {
    /// The oldest that tidegate promises to run on
    #[value(name = "5.10")]
    V5_10,
    /// Debian 12
    #[value(name = "6.1")]
    V6_1,
    /// Debian 13
    #[value(name = "6.12")]
    V6_12,
    /// Whatever Debian's backports have
    Newest,
}

/// Where a kernel's packages are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// The archive's suite, by its code name.
    pub(super) suite: &'static str,
    /// The package that depends on the present build.
    pub(super) package: &'static str,
}

impl Kernel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V5_10 => "5.10",
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::Newest => "newest",
        }
    }

    /// Without it the matrix is not green; the others come from suites that may lose them any day.
    pub(super) fn is_required(self) -> bool {
        matches!(self, Self::V6_1 | Self::V6_12)
    }

    /// The cloud flavours: a third of the size, quicker to boot, and all that is needed is in them.
    pub(super) fn source(self) -> Source {
        let (suite, package) = match self {
            Self::V5_10 => ("bullseye-security", "linux-image-cloud-amd64"),
            Self::V6_1 => ("bookworm-security", "linux-image-cloud-amd64"),
            Self::V6_12 => ("bookworm-security", "linux-image-6.12-cloud-amd64"),
            Self::Newest => ("trixie-backports", "linux-image-cloud-amd64"),
        };
        Source { suite, package }
    }
}
