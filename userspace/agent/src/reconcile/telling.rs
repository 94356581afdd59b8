//! Tells others that the maps match: those who wait for a batch, and those who show objects.

use std::sync::Arc;

use super::Reconciler;
use crate::kernel::Kernel;

impl<K: Kernel> Reconciler<K> {
    /// Tells what became of objects, now that the maps have them.
    pub(super) fn show_objects(&mut self) {
        let Some(objects) = &self.objects else { return };
        let changed = self.store.take_changed().into_iter().map(|key| {
            let held = self.store.get(&key).map(|held| Arc::clone(&held.object));
            (key, held)
        });
        let changed: Vec<_> = changed.collect();
        objects.publish(changed);
    }

    /// Tells everybody who waits for the maps how it went.
    pub(super) fn answer_waiting(&mut self, outcome: &Result<(), String>) {
        for waiting in self.waiting.drain(..) {
            // Who has gone does not miss it.
            let _gone = waiting.send(outcome.clone());
        }
    }
}
