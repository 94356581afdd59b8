//! The slow, obvious, independent truth: what a frame must look like after our work on it.
//!
//! Nothing here is incremental, clever or shared with `datapath`. Frames go in as bytes and come
//! out as bytes; a frame that a function cannot read is named in an error or comes back as its
//! doc says, never as a panic.

pub mod checksum;
pub mod crc32c;
pub mod dissect;
pub mod verify;
pub mod translate;
pub mod preserve;
pub mod related;
pub mod same;
pub mod answer;
pub mod fragment;
pub mod reassemble;

pub use answer::{expected_echo_reply, expected_reset, expected_unreachable};
pub use fragment::{Options, fragment, translate_fragment};
pub use preserve::translate_preserving_error;
pub use reassemble::reassemble;
pub use related::{Related, quoted_endpoints, translate_icmp_error};
pub use same::same_packet;
pub use translate::{Rewrite, translate};
pub use verify::{verify, verify_quote};
