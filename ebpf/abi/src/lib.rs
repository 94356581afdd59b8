//! The types that the data path and the agent store in BPF maps.
//!
//! Five rules keep both sides reading the same bytes:
//!
//! 1. every type is `repr(C)`, of fixed size, and has no padding ([`wire`] proves it at compile time);
//! 2. every bit pattern is a valid value: no `bool`, no `enum`, no `Option` in a map;
//! 3. addresses and ports hold network-order bytes; everything else is in the host's order;
//! 4. a size or an offset changes only together with [`ABI_VERSION`] (see [`layout`]);
//! 5. this crate knows neither aya nor the kernel.
#![no_std]
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod addr;
pub mod affinity;
pub mod ask;
pub mod backend;
pub mod device;
pub mod event;
pub mod flow;
pub mod fragment;
pub mod frontend;
mod layout;
pub mod maps;
pub mod reason;
pub mod settings;
pub mod socket;
pub mod source_range;
pub mod wire;

pub use addr::{Address, Family, Ip4, Ip6, Mac, Port, Proto};
pub use affinity::{Affinity, AffinityKey};
pub use backend::{Backend, BackendId};
pub use device::{Device, LocalPod};
pub use event::{Counter, Event, EventFilter, Traffic};
pub use flow::{Flow, FlowKey};
pub use fragment::{Fragment, FragmentKey, Held, HeldKey};
pub use frontend::{Frontend, FrontendKey, Pool};
pub use reason::Reason;
pub use settings::Settings;
pub use socket::{SocketKey, SocketPeer};
pub use source_range::SourceRangeKey;
pub use wire::Wire;

/// Version of every layout in this crate. Pins of another version are never read as this one's.
pub const ABI_VERSION: u32 = 1;
