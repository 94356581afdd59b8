//! The source against a server that fails in every way that servers and networks do.

#![expect(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up is a failed test"
)]

mod access;
mod faults;
mod lists;
mod objects;
mod own;
mod stage;
mod watches;
