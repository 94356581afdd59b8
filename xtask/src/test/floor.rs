//! The four floors of tests, from the one that needs least to the one that needs most.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Floor {
    /// Functions and modules of every crate
    Unit,
    /// A flow's life, hop by hop, on the host and in the kernel; needs root
    Journeys,
    /// Load, attach, pin and detach on this kernel; needs root
    Kernel,
    /// Real sockets through namespaces; needs root
    E2e,
}

impl Floor {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Journeys => "journeys",
            Self::Kernel => "kernel",
            Self::E2e => "e2e",
        }
    }

    pub(super) fn needs_root(self) -> bool {
        self != Self::Unit
    }

    /// Whether its tests run the release binary.
    pub(super) fn needs_binary(self) -> bool {
        self == Self::E2e
    }

    /// What follows `cargo test`, once for each call.
    pub(super) fn cargo_arguments(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Unit => &[
                &[
                    "--package=tidegate-abi",
                    "--package=tidegate-datapath",
                    "--package=tidegate-control",
                    "--package=tidegate-loader",
                    "--package=tidegate",
                    "--package=tidegate-frames",
                    "--package=tidegate-fuzz",
                    "--package=xtask",
                ],
                &["--package=tidegate-rig", "--lib"],
            ],
            Self::Journeys => &[&["--package=tidegate-journeys"]],
            Self::Kernel => &[&["--package=tidegate-kernel-tests"]],
            // The rig's own scenes need root, too, and what stands on them is no better than they.
            Self::E2e => &[
                &["--package=tidegate-rig", "--test=*"],
                &["--package=tidegate-e2e"],
            ],
        }
    }
}
