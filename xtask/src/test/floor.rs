//! The floors of tests, from the one that needs least to the one that needs most.

use clap::ValueEnum;

use crate::programs::{Kind, Target};

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
    /// The kernel's half again, on another kernel in a virtual machine
    Vm,
}

impl Floor {
    /// All floors; who looks for a few tests does not wait for a machine to boot.
    pub(super) fn all(is_filtered: bool) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|floor| !is_filtered || *floor != Self::Vm)
            .collect()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Journeys => "journeys",
            Self::Kernel => "kernel",
            Self::E2e => "e2e",
            Self::Vm => "vm",
        }
    }

    pub(super) fn needs_root(self) -> bool {
        !matches!(self, Self::Unit | Self::Vm)
    }

    /// Whether its tests run the release binary.
    pub(super) fn needs_binary(self) -> bool {
        self == Self::E2e
    }

    /// Whether it runs this test program.
    pub(super) fn has(self, target: &Target) -> bool {
        match (self, target.package.as_str()) {
            // The rig's own scenes need root, too, and what stands on them is no better than they.
            (Self::Unit, "tidegate-rig") => target.kind == Kind::Lib,
            (Self::E2e, "tidegate-rig") => target.kind == Kind::Test,
            (Self::Journeys, package) => package == "tidegate-journeys",
            (Self::Kernel, package) => package == "tidegate-kernel-tests",
            (Self::E2e, package) => package == "tidegate-e2e",
            (Self::Unit, package) => UNIT.contains(&package),
            // Its programs are those of other floors; see `crate::vm`.
            (Self::Vm, _) => false,
        }
    }
}

/// Packages whose tests need nothing but a processor.
const UNIT: [&str; 14] = [
    "tidegate-abi",
    "tidegate-datapath",
    "tidegate-control",
    "tidegate-api",
    "tidegate-explain",
    "tidegate-kubernetes",
    "tidegate-cni",
    "tidegate-loader",
    "tidegate",
    "tidegate-frames",
    "tidegate-apiserver",
    "tidegate-fuzz",
    "tidegate-vm-init",
    "xtask",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs;

    #[test]
    fn every_test_of_the_workspace_is_on_one_floor() {
        let targets = programs::targets().unwrap();
        assert!(targets.len() > 50, "{} targets", targets.len());
        for target in targets {
            let floors = Floor::value_variants().iter();
            let count = floors.filter(|floor| floor.has(&target)).count();
            assert_eq!(count, 1, "{target:?}");
        }
    }
}
