//! The proxy's own port, `--health-address`: `/healthz` and `/livez` (rule 3.10.1).
//!
//! It does not wait for the reconcile loop, so it answers before the first sync, and when the loop hangs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::sleep};

use super::{Health, listen::Listening, reply, server::Answer};
use crate::metrics::{Probe, Vitals};

/// How often a port that is taken is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// The port, open or to be opened; dropping it closes it.
#[derive(Debug)]
pub(crate) struct ProxyPort(JoinHandle<()>);

impl ProxyPort {
    /// Opens the port. One that is taken is a problem, never the end of the agent, and is tried again.
    pub(crate) fn open(address: SocketAddr, health: Arc<Health>, vitals: Arc<Vitals>) -> Self {
        let answer = answer(Arc::clone(&health), vitals);
        let listening = listen(address, &health, &answer);
        Self(tokio::spawn(hold(
            listening, address, health, answer, RETRY,
        )))
    }
}

impl Drop for ProxyPort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn hold(
    mut listening: Option<Listening>,
    address: SocketAddr,
    health: Arc<Health>,
    answer: Answer,
    retry: Duration,
) {
    while listening.is_none() {
        sleep(retry).await;
        listening = listen(address, &health, &answer);
    }
    std::future::pending().await
}

/// The open port, or a problem.
fn listen(address: SocketAddr, health: &Health, answer: &Answer) -> Option<Listening> {
    match Listening::at_all_families(address, Arc::clone(answer)) {
        Ok(listening) => {
            health.set_problem(None);
            Some(listening)
        }
        Err(error) => {
            health.set_problem(Some(format!(
                "cannot listen at --health-address {address}: {error}; free the port or name another, it is tried again every 30 seconds"
            )));
            None
        }
    }
}

fn answer(health: Arc<Health>, vitals: Arc<Vitals>) -> Answer {
    Arc::new(move |path| {
        let (probe, reply) = match path {
            "/healthz" => (Probe::Healthz, reply::healthz(&health.report())),
            "/livez" => (Probe::Livez, reply::livez(&health.report())),
            _ => return reply::not_found(),
        };
        vitals.probed(probe, reply.status().as_u16());
        reply
    })
}

#[cfg(test)]
mod tests;
