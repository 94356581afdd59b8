//! The source against a server that fails in every way that servers and networks do.

mod access;
mod faults;
mod lists;
mod objects;
mod own;
mod stage;
mod watches;
