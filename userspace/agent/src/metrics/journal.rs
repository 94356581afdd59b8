//! What the reconcile loop notes for the metrics: what it was told, and how long that took to reach the maps.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use k8s_openapi::{api::discovery::v1::EndpointSlice, jiff::Timestamp};
use tidegate_abi::Family;
use tidegate_control::{Object, Store, compiler::Tally, store::Changes};

use super::Vitals;
use crate::sources::{Batch, Change};

/// When the change happened that an EndpointSlice follows, told by the cluster's endpoint controller.
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// Times that wait for one sync; further ones are not measured.
const WAITING_MOST: usize = 8192;

/// Owned by the loop.
#[derive(Debug)]
pub(crate) struct Journal {
    vitals: Arc<Vitals>,
    /// When that was heard of which the maps do not have yet.
    heard: Vec<Instant>,
    /// When that happened, in nanoseconds since 1970.
    triggers: Vec<(Family, i128)>,
    /// Changes that were told.
    counted: Changes,
    /// What was heard of before, while the agent started, says nothing about how fast it is.
    began: Instant,
    /// The same moment, for triggers.
    started: i128,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            vitals: Arc::default(),
            heard: Vec::new(),
            triggers: Vec::new(),
            counted: Changes::default(),
            began: Instant::now(),
            started: now(),
        }
    }
}

impl Journal {
    pub(crate) fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// Something must get into the maps.
    pub(crate) fn queued(&self) {
        self.vitals.queued();
    }

    /// News came; the store does not have them yet.
    pub(crate) fn heard(&mut self, batch: &Batch, store: &Store) {
        if batch.changes.is_empty() {
            return;
        }
        if batch.heard >= self.began && self.heard.len() < WAITING_MOST {
            self.heard.push(batch.heard);
        }
        for change in &batch.changes {
            let Change::Parsed { parsed, .. } = change else {
                continue;
            };
            for object in &parsed.objects {
                self.note_trigger(object, store);
            }
        }
    }

    /// The news are in the store, which has counted what really changed.
    pub(crate) fn stored(&mut self, changes: Changes) {
        let services = changes.services.saturating_sub(self.counted.services);
        let slices = changes.slices.saturating_sub(self.counted.slices);
        self.vitals.changed(services, slices);
        self.counted = changes;
    }

    /// The maps have everything, and mean this.
    pub(crate) fn synced(&mut self, took: Duration, tally: &Tally) {
        self.vitals.synced(took);
        for heard in self.heard.drain(..) {
            self.vitals.waited(heard.elapsed());
        }
        let now = now();
        for (family, trigger) in self.triggers.drain(..) {
            // Clocks of two machines: the trigger may lie ahead.
            let seconds = now.saturating_sub(trigger).max(0) as f64 / 1e9;
            self.vitals.programmed(family, seconds);
        }
        for family in [Family::V4, Family::V6] {
            self.vitals.set_no_local(family, tally.no_local(family));
        }
    }

    /// The maps do not have everything; what waits, waits on.
    pub(crate) fn failed(&self) {
        self.vitals.failed();
    }

    /// A slice without a new trigger was changed by somebody else, at a time that nobody knows.
    fn note_trigger(&mut self, object: &Object, store: &Store) {
        let Some((family, trigger)) = object.slice().and_then(trigger) else {
            return;
        };
        let before = store.get(&object.key).and_then(|held| held.object.slice());
        let is_new = before.and_then(self::trigger) != Some((family, trigger));
        if is_new && trigger > self.started && self.triggers.len() < WAITING_MOST {
            self.triggers.push((family, trigger));
        }
    }
}

fn trigger(slice: &EndpointSlice) -> Option<(Family, i128)> {
    let time = slice.metadata.annotations.as_ref()?.get(TRIGGER)?;
    let time: Timestamp = time.parse().ok()?;
    let family = match slice.address_type.as_str() {
        "IPv4" => Family::V4,
        "IPv6" => Family::V6,
        _ => return None,
    };
    Some((family, time.as_nanosecond()))
}

fn now() -> i128 {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i128::try_from(since_epoch.as_nanos()).unwrap_or(i128::MAX)
}
