//! Real sockets through real namespaces: the scene, its Services, and clients that say what they met.

mod client;
mod setup;

pub use client::{Answer, Proto, Udp, ask, ask_from, ask_many, dial};
pub use setup::{SERVICE_PORT, ServiceSpec, Setup};
