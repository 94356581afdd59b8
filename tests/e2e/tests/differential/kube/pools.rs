//! Which endpoints new flows may go to, under either policy (rules 2.1.1 to 2.1.5 and 2.4.1).

use super::read::{Endpoint, ServicePort};

/// The endpoints for each policy.
pub(crate) struct Pools<'a> {
    pub(crate) cluster: Vec<&'a Endpoint>,
    pub(crate) local: Vec<&'a Endpoint>,
}

impl<'a> Pools<'a> {
    pub(crate) fn of(port: &'a ServicePort) -> Self {
        Self {
            cluster: usable(port.endpoints.iter().collect()),
            local: usable(port.endpoints.iter().filter(|it| it.here).collect()),
        }
    }

    /// Whether anybody serves, on any node.
    pub(crate) fn any(&self) -> bool {
        !self.cluster.is_empty()
    }

    /// Those that a packet may be sent to, each once.
    pub(crate) fn all(&self) -> Vec<&'a Endpoint> {
        let mut all = self.cluster.clone();
        for one in &self.local {
            if !all.iter().any(|it| (it.ip, it.port) == (one.ip, one.port)) {
                all.push(one);
            }
        }
        all
    }
}

/// The ready ones; without any, those that still serve while they terminate.
fn usable(scope: Vec<&Endpoint>) -> Vec<&Endpoint> {
    let ready: Vec<_> = scope.iter().copied().filter(|it| it.ready).collect();
    if !ready.is_empty() {
        return ready;
    }
    let last = scope.into_iter().filter(|it| it.serving && it.terminating);
    last.collect()
}
