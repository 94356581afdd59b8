//! Tells those who wait for a batch that the maps match.

use super::Reconciler;
use crate::kernel::Kernel;

impl<K: Kernel> Reconciler<K> {
    /// Tells everybody who waits for the maps how it went.
    pub(super) fn answer_waiting(&mut self, outcome: &Result<(), String>) {
        for waiting in self.waiting.drain(..) {
            // Who has gone does not miss it.
            let _gone = waiting.send(outcome.clone());
        }
    }
}
