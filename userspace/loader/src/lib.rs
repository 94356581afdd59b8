//! Loads, attaches and pins tidegate's eBPF programs; typed maps.
//!
//! The only user crate that knows aya. Everything lives in the kernel under one directory of bpffs, so
//! that the data path outlives the agent: dropping a [`DataPath`] detaches nothing.

mod error;
mod fault;
mod host;
mod cookie;
mod clock;
mod object;
mod pinned;
mod programs;
mod load;
mod version;
mod restore;
mod links;
mod attach;
mod cgroup;
mod maps;
mod detach;
mod others;
mod try_run;
mod verify;
mod lookup;
mod unseen;
mod batch;
mod sweep;
mod usage;
mod meters;
mod anew;
mod events;
mod sockets;
mod probe;

pub use attach::{Attach, Attached, Role, XDP_MTU};
pub use detach::detach_all;
pub use error::Error;
pub use events::EventSource;
pub use fault::die_after;
pub use host::{has_driver, kernel_at_least, lock};
pub use load::{DataPath, Options};
pub use maps::FlowRecord;
pub use meters::Meters;
pub use object::{CGROUP_PROGRAMS, PROGRAMS};
pub use others::{Other, others};
pub use probe::{Feature, Found, probe};
pub use sockets::Sockets;
pub use sweep::Sweeper;
pub use try_run::{Outcome, can_try_xdp};
pub use unseen::{Guess, Unseen};
pub use usage::MapMeter;
pub use verify::{Verified, verify_each};
pub use version::Abi;
