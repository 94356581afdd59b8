//! What `tidegate top` shows, and how it is steered.
//!
//! Two reports make [`rates`]; [`state`] is what is on the screen and [`keys`] change it; [`view`] draws it, as a
//! pure function of state and size; [`live`] and [`plain`] are the two ways to look: a terminal, or one frame as
//! text.

mod keys;
mod live;
mod number;
mod plain;
mod rates;
mod sort;
mod state;
mod view;
#[cfg(test)]
mod testing;

pub(crate) use live::{path, run as live};
pub(crate) use plain::print as plain;
pub(crate) use state::State;
