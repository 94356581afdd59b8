//! Builds the programs that make packets, as the loader's build script builds the data path.

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain};

/// The same nightly as in `userspace/loader/build.rs`.
const NIGHTLY: &str = "nightly-2026-06-01";

fn main() -> Result<()> {
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/programs");
    println!("cargo::rerun-if-changed={programs}");
    let package = Package {
        name: "tidegate-bench-programs",
        root_dir: programs,
        ..Package::default()
    };
    aya_build::build_ebpf([package], Toolchain::Custom(NIGHTLY)).context(
        "building the benchmark's eBPF programs failed; `./x setup` installs what it needs",
    )
}
