//! What monitoring asks over HTTP: `/metrics` for Prometheus, and `/proxyMode` and `/healthz` as kube-proxy has them.
//!
//! Three sources, none of which waits for the reconcile loop, or makes it wait: [`Vitals`] is written by the agent's
//! parts as they go; counters are read from the kernel with descriptors of our own, and named by
//! [`crate::names`]; living flows and the use of maps come from the [`crate::census`]. [`Page`] puts them together.
//!
//! Names and labels are part of the operator's interface: `golden.txt` has all of them, and docs/metrics.md says
//! what each means. Where kube-proxy has a metric of the same meaning, ours has its name too.

mod journal;
mod page;
mod process;
mod samples;
mod sections;
mod server;
mod shown;
mod text;
mod traffic;
mod vitals;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use journal::Journal;
pub(crate) use page::{Page, Sources};
pub(crate) use server::MetricsPort;
pub(crate) use traffic::Gauges;
pub(crate) use vitals::{Probe, Vitals};
