//! The floors of tests, from the one that needs least to the one that needs most.

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

    /// What follows `cargo test`, once for each call.
    pub(super) fn cargo_arguments(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Unit => &[
                &[
                    "--package=tidegate-abi",
                    "--package=tidegate-datapath",
                    "--package=tidegate-control",
                    "--package=tidegate-api",
                    "--package=tidegate-explain",
                    "--package=tidegate-kubernetes",
                    "--package=tidegate-cni",
                    "--package=tidegate-loader",
                    "--package=tidegate",
                    "--package=tidegate-frames",
                    "--package=tidegate-apiserver",
                    "--package=tidegate-fuzz",
                    "--package=tidegate-vm-init",
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
            // Cargo only builds for it; see `crate::vm`.
            Self::Vm => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_package_of_the_workspace_is_on_a_floor() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let workspace = fs::read_to_string(format!("{root}/Cargo.toml")).unwrap();
        let defaults = workspace.split("default-members = [").nth(1).unwrap();
        let members = defaults
            .split(']')
            .next()
            .unwrap()
            .split('"')
            .skip(1)
            .step_by(2);
        let mut count = 0;
        for member in members {
            let manifest = fs::read_to_string(format!("{root}/{member}/Cargo.toml")).unwrap();
            let name = manifest.split('"').nth(1).unwrap();
            let wanted = format!("--package={name}");
            let floors = Floor::value_variants().iter();
            let mut arguments = floors.flat_map(|floor| floor.cargo_arguments().concat());
            assert!(arguments.any(|it| it == wanted), "{name} is tested nowhere");
            count += 1;
        }
        assert!(count > 10, "{count} members were read");
    }
}
