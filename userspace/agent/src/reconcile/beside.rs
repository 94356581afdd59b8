//! Another tidegate at our devices: told, for nobody would see why packets are translated twice.

use super::Reconciler;
use crate::{kernel::Kernel, others};

impl<K: Kernel> Reconciler<K> {
    /// Looks who else is there; nobody tells when that changes.
    pub(super) fn look_beside(&mut self) {
        let lines = others::lines(&self.kernel.others(), &self.config.bpffs);
        self.problems.set(super::problems::Place::Beside, lines);
    }
}
