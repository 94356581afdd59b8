//! Real sockets through real namespaces: the scene, its Services, and clients that say what they met.

mod client;
mod endpoint;
mod fate;
mod mtu;
mod ping;
mod probe;
mod setup;
mod shared;
mod svc;
mod talker;
mod terminal;
mod wait;
mod world;

pub use client::{Answer, Proto, Udp, ask, ask_from, ask_many, dial, goes_on, open};
pub use endpoint::Ep;
pub use fate::{Fate, summary};
pub use mtu::{Discover, discover};
pub use ping::ping;
pub use probe::{Outcome, all_silent, backends, probe, refused, served_by, silent, sticks};
pub use setup::{SERVICE_PORT, ServiceSpec, Setup};
pub use shared::{Borrowed, Shared};
pub use svc::Svc;
pub use talker::Talker;
pub use terminal::{on_terminal, plain};
pub use wait::soon;
pub use world::{World, WorldBuilder, settled};
