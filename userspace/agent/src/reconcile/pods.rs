//! The short ways to this node's pods.

use std::{collections::BTreeSet, net::IpAddr};

use tidegate_control::Write;
use tidegate_loader::Error;

use super::{Reconciler, apply, problems::Place};
use crate::kernel::Kernel;

/// Pods of which each has a line when the map refuses them.
const SHOWN: usize = 3;

impl<K: Kernel> Reconciler<K> {
    /// Writes the difference; flows to a pod that left its device begin anew.
    pub(super) fn converge_pods(&mut self) -> Result<(), Error> {
        let wanted = &self.facts.local_pods;
        let all: BTreeSet<IpAddr> = self.pods.keys().chain(wanted.keys()).copied().collect();
        let mut failed = Vec::new();
        for ip in all {
            let (old, new) = (
                self.pods.get(&ip).copied(),
                self.facts.local_pods.get(&ip).copied(),
            );
            if old == new {
                continue;
            }
            if let Err(error) = apply::local_pod(&mut self.kernel, ip, new) {
                // The routing table leads to a pod that is not in the map, only slower; Services do not wait for it.
                failed.push(format!("pod {ip}: {error}"));
                continue;
            }
            self.devices_told = None;
            match new {
                Some(pod) => self.pods.insert(ip, pod),
                None => self.pods.remove(&ip),
            };
            if old.is_some_and(|old| new.is_none_or(|new| new.device != old.device)) {
                let writes: Vec<Write> = self.planner.bump_backends_at(ip);
                apply::writes(&mut self.kernel, &writes)?;
                self.sockets.pull();
            }
        }
        let more = failed.len().saturating_sub(SHOWN);
        failed.truncate(SHOWN);
        failed.extend((more > 0).then(|| format!("and {more} more pods")));
        self.problems.set(Place::Pods, failed);
        Ok(())
    }
}
