//! Frames built by hand, and the oracle: NAT and checksums written a second, slow way.
//!
//! Tests that compare the kernel with the host build of the same code prove that both do the same,
//! not that they do right. This crate knows nothing of `datapath` or `abi` (and must not import
//! them), so an error shared by both floors still meets an independent answer here.
//!
//! Everything is slow and obvious: checksums are always summed from scratch over all bytes.
//! It does not model flows, tables or services: a test says which translation it expects.

pub mod roles;
pub mod frame;
pub mod oracle;
pub mod rng;
pub mod random;
pub mod explain;
pub mod pcap;

pub use explain::{explain_difference, hexdump};
pub use frame::{Checksum, Frame};
pub use random::{random_frame, random_frame_between};
pub use rng::Rng;
pub use roles::Roles;
