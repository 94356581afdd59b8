//! Scenes of network namespaces: machines on a LAN, pods, echo servers, agents and captures.
//!
//! The kernel tests, the end-to-end tests and the demo build their world here, so that each of
//! them reads as what happens in it. All names carry the process that made them: what an
//! interrupted run leaves behind is found and removed by [`sweep`], and nothing else is.
//!
//! Not here: anything that knows tidegate's crates. The agent is a program that is started, its
//! maps are files; a test sees what a user sees.

mod owner;
mod shell;
mod netns;
pub mod bpf;
mod bpffs;
mod scene;
mod link;
mod two_nodes;
mod wire;
mod xdp_pass;
mod echo;
mod manifests;
mod agent;
mod capture;
mod sweep;

pub use agent::{Agent, AgentSpec, binary};
pub use bpffs::{Pins, ensure_bpffs};
pub use capture::Capture;
pub use echo::EchoServer;
pub use link::{link, offloads};
pub use manifests::{Endpoint, Manifests, Port, endpoint_slice, pod_endpoints, service, slices};
pub use netns::Netns;
pub use owner::is_root;
pub use scene::Scene;
pub use shell::output_of;
pub use sweep::{Swept, sweep, sweep_own, sweep_own_at_exit};
pub use two_nodes::{Builder, Node, Pod, TwoNodes};
pub use wire::{Wire, mac_of};
pub use xdp_pass::XdpPass;
