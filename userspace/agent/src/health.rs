//! What load balancers and supervisors ask over HTTP: is this node to be given traffic? (rules 3.9, 3.10)
//!
//! Two kinds of port. One for the proxy itself, `--health-address`, with `/healthz` and `/livez`; and one
//! for each Service that keeps to local endpoints, its `healthCheckNodePort`. [`Health`] is what they
//! share: the reconcile loop writes it, and the answers are made from it, so that a loop that hangs is
//! seen from outside.
//!
//! Status codes, headers and bodies are kube-proxy's, since load balancers of clouds rely on them. What
//! is not here: which Services have such a port and what they count, see `tidegate_control::health`.

mod listen;
mod ports;
mod proxy;
mod reply;
mod server;
mod state;

pub(crate) use listen::bind_all_families;
pub(crate) use ports::{Scope, ServicePorts};
pub(crate) use proxy::ProxyPort;
pub(crate) use server::Connections;
pub(crate) use state::Health;
#[cfg(test)]
pub(crate) use state::tests::FakeClock;
