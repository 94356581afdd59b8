//! A packet's journey through tidegate.
//!
//! Ordinary safe Rust that knows neither aya nor the kernel: it asks its questions through three small
//! traits and is run by the eBPF programs, by tests and by fuzzers alike. The modules stand in the order
//! in which a packet meets them; [`journey`] is the one to read first.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

// What the journey stands on.
pub mod packet;
pub mod tables;
pub mod world;
pub mod verdict;
pub mod work;
// The journey.
pub mod journey;
pub mod parse;
pub mod known;
pub mod tcp;
pub mod sctp;
pub mod service;
pub mod select;
pub mod affinity;
pub mod source;
pub mod door;
pub mod rewrite;
pub mod checksum;
pub mod answer;
// What the journey leaves to another program.
pub mod aside;
pub mod related;
pub mod ping;
pub mod fragment;
// The way out, for backends that are processes of this host.
pub mod leaving;
// No journey: what becomes of flows that have ended.
pub mod sweep;
// The shorter journey of a host process's socket.
pub mod socket;

pub use journey::journey;
pub use leaving::leaving;
pub use packet::Packet;
pub use tables::{Copied, Insert, Tables};
pub use verdict::{Door, Entry, Role, Stage, Verdict};
pub use work::Work;
pub use world::{Clock, Route, World};
