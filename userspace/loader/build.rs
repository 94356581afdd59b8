//! Builds the eBPF programs for their own target, so that plain `cargo build` is enough.

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain};

/// The nightly for the eBPF crate (`-Z build-std`), pinned here and in `x` only.
const NIGHTLY: &str = "nightly-2026-06-01";

fn main() -> Result<()> {
    let ebpf = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ebpf");
    println!("cargo::rerun-if-changed={ebpf}");
    let features: &[&str] = if std::env::var_os("CARGO_FEATURE_DEBUG_LOG").is_some() {
        &["debug-log"]
    } else {
        &[]
    };
    let programs = Package {
        name: "tidegate-programs",
        root_dir: concat!(env!("CARGO_MANIFEST_DIR"), "/../../ebpf/programs"),
        features,
        ..Package::default()
    };
    aya_build::build_ebpf([programs], Toolchain::Custom(NIGHTLY)).context(
        "building the eBPF programs failed; `./x setup` installs the nightly toolchain and bpf-linker they need",
    )
}
