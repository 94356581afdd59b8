//! UDP clients that send every 100 ms from one socket, so that no timeout ever helps them (5.2):
//! whatever happens to the endpoints or the Service, none loses more than one datagram by it.
//!
//! The clients of all tests: pods, a machine on the LAN and a process of the node; connected sockets and
//! not; both families. See [`clients`]. A connected socket of a host process is translated once, when it
//! connects (decision 5), so it is not among them.

mod clients;
mod replaced;
mod frontends;
mod gone;
mod kept;
mod streamed;
mod unseen;

use anyhow::Result;
use tidegate_e2e::{Shared, World};

static WORLD: Shared = Shared::new(|| World::builder().build());

/// The longest name of a pod's second server.
const SECOND: u16 = 9090;

fn world() -> Result<tidegate_e2e::Borrowed<'static>> {
    WORLD.borrow()
}
