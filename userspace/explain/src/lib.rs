//! What the data path would do with a packet: the journey itself, over the live maps, and told in words.
//!
//! The journey is the code that runs in the kernel. Here its questions are answered by single lookups in the
//! kernel's maps ([`Live`]); what it writes stays in an [`Overlay`], and every question is remembered
//! ([`Asked`]), so that the steps can be told afterwards from what was really asked. Nothing is sent, nothing is
//! written to the kernel. What this crate does not do: choose a device, or know names; see [`words::Names`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

// A frame, and the journey on it.
pub mod packet;
pub mod record;
pub mod run;
// The journey over somebody's live maps.
mod asked;
mod maps;
mod overlay;
mod paper;
// The packet that a user describes.
pub mod described;
// What the loaded program makes of it.
pub mod confirm;
#[cfg(feature = "live")]
mod live;
#[cfg(feature = "words")]
pub mod words;

pub use asked::Asked;
pub use maps::Live;
pub use overlay::Overlay;
pub use packet::{Held, HostPacket};
pub use paper::{Call, Paper, Stage, dial, walk};
