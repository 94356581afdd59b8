//! Loads, attaches and pins tidegate's eBPF programs; typed maps.
//!
//! The only user crate that knows aya. Everything lives in the kernel under one directory of bpffs, so
//! that the data path outlives the agent: dropping a [`DataPath`] detaches nothing.

mod error;
mod host;
mod object;
mod load;
mod attach;
mod maps;
mod detach;
mod try_run;
mod sweep;
mod sockets;

pub use attach::{Attach, Attached, Role};
pub use detach::detach_all;
pub use error::Error;
pub use host::lock;
pub use load::{DataPath, Options};
pub use maps::FlowRecord;
pub use object::{CGROUP_PROGRAMS, PROGRAMS};
pub use sockets::Sockets;
pub use sweep::Sweeper;
pub use try_run::Outcome;
