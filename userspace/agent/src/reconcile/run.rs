//! The loop: gathers what happened, converges, answers questions, until told to stop.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};

use super::Reconciler;
use crate::{asking::Query, kernel::Kernel, memory, netlink::Snapshot, notify, sources::Batch};

/// The first wait after a failed write; it doubles with each failure.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(30);
/// How often it is checked that the programs are still attached (rule 5.1.11).
const REPAIR: Duration = Duration::from_secs(10);

/// Where news come from.
pub(crate) struct Inputs {
    pub(crate) batches: Receiver<Batch>,
    pub(crate) snapshots: Receiver<Snapshot>,
    pub(crate) queries: Receiver<Query>,
}

/// Runs until `stop` completes.
pub(crate) async fn run<K: Kernel>(
    mut state: Reconciler<K>,
    mut inputs: Inputs,
    stop: impl Future<Output = ()>,
) {
    tokio::pin!(stop);
    let mut retry = Retry::default();
    let mut is_ready = false;
    // When memory was given back last.
    let mut tidied = 0;
    let mut declared = state.devices().revisions();
    // Nobody tells when somebody else takes our programs away.
    let mut repair = interval_at(Instant::now() + REPAIR, REPAIR);
    repair.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        state.health().turned();
        // Without manifests the source may end; a closed channel must not make this loop spin.
        tokio::select! {
            () = &mut stop => return,
            Some(batch) = inputs.batches.recv() => {
                state.take_batch(batch);
                while let Ok(more) = inputs.batches.try_recv() {
                    state.take_batch(more);
                }
            }
            Some(mut seen) = inputs.snapshots.recv() => {
                while let Ok(newer) = inputs.snapshots.try_recv() {
                    seen = newer;
                }
                state.take_snapshot(&seen);
            }
            Ok(()) = declared.changed() => state.take_declared(),
            Some(Query { question, reply }) = inputs.queries.recv() => {
                // The client may have gone: then nobody misses the answer.
                let _gone = reply.send(state.answer(question));
                continue;
            }
            // What cannot be attached may have become possible without any news.
            () = sleep_until(retry.at()) => state.attach(),
            _now = repair.tick() => {
                state.repair();
                if state.changes() - tidied >= memory::MANY {
                    tidied = state.changes();
                    memory::give_back();
                }
            }
        }
        match state.converge() {
            Ok(()) => retry = Retry::default(),
            Err(error) => {
                state.start_over(&error);
                retry = retry.later();
            }
        }
        state.report();
        state.publish_devices();
        if !is_ready && state.is_synced() {
            is_ready = true;
            ready();
            tidied = state.changes();
            memory::give_back();
        }
    }
}

/// When to try again without news.
#[derive(Debug)]
struct Retry {
    wait: Duration,
    since: Instant,
    failures: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            wait: RETRY_MOST,
            since: Instant::now(),
            failures: 0,
        }
    }
}

impl Retry {
    fn at(&self) -> Instant {
        self.since + self.wait
    }

    fn later(&self) -> Self {
        let wait = RETRY
            .saturating_mul(1 << self.failures.min(16))
            .min(RETRY_MOST);
        Self {
            wait,
            since: Instant::now(),
            failures: self.failures + 1,
        }
    }
}

/// Says once that the maps match the sources.
fn ready() {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "ready").and_then(|()| out.flush()) {
        tracing::warn!("cannot print `ready`: {error}");
    }
    notify::ready();
    tracing::info!("the maps match the sources");
}
