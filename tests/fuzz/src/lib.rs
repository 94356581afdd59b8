//! What the fuzzers run, and the replay of everything that they found.
//!
//! Each target is a function of bytes that panics when a promise of the data path is broken. libFuzzer
//! calls it from `runner/`, which needs the nightly; `tests/replay.rs` calls it on every file of `corpus/`,
//! on the toolchain of the workspace. See `docs/fuzzing.md`.

mod input;
mod scene;
mod shape;
mod slow;
pub mod parse_any_bytes;
pub mod journey_any_bytes;
pub mod flow_any_order;

/// A target: name, function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets; the directories of `corpus/` and the binaries of `runner/` have the same names.
pub const TARGETS: [Target; 3] = [
    ("parse_any_bytes", parse_any_bytes::run),
    ("journey_any_bytes", journey_any_bytes::run),
    ("flow_any_order", flow_any_order::run),
];
