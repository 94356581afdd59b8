//! The short ways to this node's pods.

use std::{collections::BTreeSet, net::IpAddr};

use tidegate_control::Write;
use tidegate_loader::Error;

use super::{Reconciler, apply};
use crate::kernel::Kernel;

impl<K: Kernel> Reconciler<K> {
    /// Writes the difference; flows to a pod that left its device begin anew.
    pub(super) fn converge_pods(&mut self) -> Result<(), Error> {
        let wanted = &self.facts.local_pods;
        let all: BTreeSet<IpAddr> = self.pods.keys().chain(wanted.keys()).copied().collect();
        for ip in all {
            let (old, new) = (
                self.pods.get(&ip).copied(),
                self.facts.local_pods.get(&ip).copied(),
            );
            if old == new {
                continue;
            }
            apply::local_pod(&mut self.kernel, ip, new)?;
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
        Ok(())
    }
}
