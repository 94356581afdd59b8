//! The kernel floor: what the loader does, seen with the kernel's own eyes.
//!
//! Every test has namespaces and a directory of pins of its own, so that tests may run side by
//! side, and beside a tidegate that serves. Those that speak of tcx want Linux 6.6 or newer.
//! Not here: what the programs do with packets; that is the journeys' and the e2e floor's business.

mod says;
mod stage;
mod verify;
mod attach;
mod driver;
mod again;
mod filters;
mod lost;
mod pins;
mod versions;
mod cgroup;
mod maps;
mod clients;
mod adopt;
mod flows;
mod opening;
mod told;
mod start;
