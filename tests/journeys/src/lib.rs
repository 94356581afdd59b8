//! A flow's life as hops, on the host implementation and on the loaded programs, against the oracle.
//!
//! A journey is written once, over a [`bench::Bench`]; `journeys!` makes two tests of it. What a frame
//! must become is asked of `tidegate-frames`, which knows nothing of the data path.
//!
//! The kernel's half needs root. It shows return codes, counters and bytes, not the device that a
//! redirect leads to; the host's half checks that too.

pub mod host;
pub mod network;
pub mod scene;
pub mod places;
pub mod textbook;
pub use tidegate_explain::record;
pub mod sticky;
pub mod machine;
pub mod on_host;
#[cfg(feature = "kernel")]
pub mod on_kernel;
pub mod exit;
pub mod case;
pub mod bench;

pub use bench::Bench;
pub use case::Case;
pub use exit::Out;
pub use scene::Scene;
