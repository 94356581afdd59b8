//! One task owns the store, the planner and the maps, and makes them agree.
//!
//! A change costs what it changes: the Services that it touches are compiled anew, and what comes of that is
//! written ([`sync`]). Level-triggered all the same: of what it touches everything is computed from the state as it
//! is, never from what an event says; and a few other Services are looked at from time to time, so that a change that
//! was missed costs time, never correctness. Nothing is planned before every manifest has been read once, so that a
//! restart never empties the maps (rule 5.1.9).

mod answer;
mod apply;
mod attach;
mod beside;
mod declared;
mod pods;
mod problems;
mod run;
mod sync;
mod telling;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tidegate_abi::{LocalPod, Settings};
use tidegate_control::{Compiler, Limits, Planner, Severity, Store};
use tidegate_loader::Error;
use tokio::sync::{oneshot, watch};

pub(crate) use run::{Inputs, run};

use crate::{
    config::Config,
    devices::{
        Facts,
        declared::{Declared, Devices},
    },
    health::{Health, ServicePorts},
    kernel::Kernel,
    metrics::{Journal, Vitals},
    names::{Published, Reader},
    netlink::Snapshot,
    objects::Objects,
    service_ranges::ServiceRanges,
    sockets::Trigger,
    sources::{Batch, Change, Source},
    state::Allocator,
};
use attach::Attachments;
use problems::{Place, Problems};
use sync::Pending;

/// How far we are with taking over from another version of the maps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Handover {
    /// Its programs serve until our maps are complete: so long we attach none.
    Waits,
    /// Ours take the place of its.
    Begun,
    /// Nothing of another version is left, or there never was any.
    Done,
}

/// Everything the task owns.
pub(crate) struct Reconciler<K> {
    config: Arc<Config>,
    kernel: K,
    /// Where the socket hooks are, for `status`.
    cgroup: String,
    store: Store,
    allocator: Allocator,
    planner: Planner,
    compiler: Compiler,
    /// Whether that knows anything yet.
    is_compiled: bool,
    pending: Pending,
    /// Sources that have not told everything once yet: until then nothing is planned (rule 5.1.9).
    awaited: BTreeSet<Source>,
    /// All of them, for `status`.
    sources: BTreeSet<Source>,
    /// Who waits until the maps have what they told.
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
    facts: Facts,
    /// The last of what the kernel told.
    seen: Snapshot,
    devices: Arc<Devices>,
    /// What the facts are derived from.
    declared: Declared,
    attachments: Attachments,
    /// Nothing about devices is other than when it was last told: the revision of the declarations, and whether
    /// the maps matched.
    devices_told: Option<(u64, bool)>,
    /// The attachments may be other than when they were last reported.
    is_report_due: bool,
    handover: Handover,
    service_ranges: ServiceRanges,
    /// As written; `None`: not yet.
    settings: Option<Settings>,
    /// The same.
    route_epoch: Option<u32>,
    /// As written.
    pods: BTreeMap<IpAddr, LocalPod>,
    /// The sources or the node changed since the last complete plan.
    is_stale: bool,
    problems: Problems,
    last_sync: Option<Instant>,
    last_sync_took: Option<Duration>,
    health: Arc<Health>,
    health_ports: ServicePorts,
    /// Who shows objects to others.
    objects: Option<Objects>,
    /// Sockets that have lost their backend are looked for elsewhere.
    sockets: Trigger,
    /// What the ids in the maps mean, for those who do not ask this loop.
    published: watch::Sender<Published>,
    /// What the metrics tell of this loop.
    journal: Journal,
}

impl<K: Kernel> Reconciler<K> {
    /// Takes over what the maps hold.
    pub(crate) fn new(
        config: Arc<Config>,
        mut kernel: K,
        cgroup: String,
        seen: &Snapshot,
        devices: Arc<Devices>,
    ) -> Result<Self, Error> {
        devices.observe(seen);
        let declared = devices.declared();
        let image = apply::image(&kernel)?;
        let pods = apply::local_pods(&kernel)?;
        let before = Facts {
            local_pods: pods.clone(),
            ..Facts::default()
        };
        let facts = Facts::derive(&config, seen, &declared, &before);
        Attachments::forget_others(&mut kernel, &facts)?;
        let handover = match kernel.predecessor() {
            Some(_) => Handover::Waits,
            None => Handover::Begun,
        };
        let range = &config.nodeport_range;
        let health = Arc::new(Health::default());
        let mut state = Self {
            store: Store::new(range.first..=range.last),
            allocator: Allocator::in_memory(&config),
            config,
            kernel,
            cgroup,
            planner: Planner::adopt(image, Limits::default()),
            compiler: Compiler::default(),
            is_compiled: false,
            pending: Pending::everything(),
            awaited: BTreeSet::from([Source::Manifests]),
            sources: BTreeSet::from([Source::Manifests]),
            waiting: Vec::new(),
            facts,
            seen: seen.clone(),
            devices,
            declared,
            attachments: Attachments::default(),
            devices_told: None,
            is_report_due: true,
            handover,
            service_ranges: ServiceRanges::default(),
            settings: None,
            route_epoch: None,
            pods,
            is_stale: true,
            problems: Problems::default(),
            last_sync: None,
            last_sync_took: None,
            health_ports: ServicePorts::new(Arc::clone(&health)),
            health,
            objects: None,
            sockets: Trigger::default(),
            published: watch::Sender::default(),
            journal: Journal::default(),
        };
        state.attach();
        state.look_beside();
        state.publish_devices();
        Ok(state)
    }

    /// Remembers with this allocator what Services are given.
    pub(crate) fn with_allocator(mut self, mut allocator: Allocator) -> Result<Self, Error> {
        if allocator.is_fresh() {
            allocator.set_in_use(apply::in_use(&self.kernel)?);
        }
        self.allocator = allocator;
        Ok(self)
    }

    /// Waits for the first batch of these sources before anything is planned.
    pub(crate) fn with_sources(self, sources: impl IntoIterator<Item = Source>) -> Self {
        let sources: BTreeSet<Source> = sources.into_iter().collect();
        Self {
            awaited: sources.clone(),
            sources,
            ..self
        }
    }

    /// Tells this store what becomes of objects.
    pub(crate) fn with_objects(self, objects: Objects) -> Self {
        let objects = Some(objects);
        Self { objects, ..self }
    }

    /// Tells this trigger when UDP backends stop serving.
    pub(crate) fn with_sockets(self, sockets: Trigger) -> Self {
        Self { sockets, ..self }
    }

    /// Takes in news about objects.
    pub(crate) fn take_batch(&mut self, batch: Batch) {
        if !batch.is_partial {
            self.awaited.remove(&batch.source);
        }
        if let Some(blocks) = &batch.service_cidrs {
            self.service_ranges.learn(blocks);
        }
        self.is_stale |= !batch.changes.is_empty();
        self.journal.heard(&batch, &self.store);
        let unreadable = Place::Unreadable(batch.source);
        self.problems.set(unreadable, batch.unreadable);
        self.waiting.extend(batch.done);
        for change in batch.changes {
            match change {
                Change::Parsed { file, parsed } => {
                    let found = self.store.replace_file(&file, parsed);
                    let is_unsure = found.iter().any(|it| it.severity == Severity::Error);
                    self.allocator.set_unsure(&file, is_unsure);
                    self.problems.set_file(file, &found);
                }
                Change::Gone { file } => {
                    self.store.remove_file(&file);
                    self.allocator.set_unsure(&file, false);
                    self.problems.set_file(file, &[]);
                }
            }
        }
        self.journal.stored(self.store.changes());
    }

    /// How many objects came, went or changed so far.
    pub(crate) fn changes(&self) -> u64 {
        let changes = self.store.changes();
        changes.services + changes.slices
    }

    /// Puts back what somebody else has taken away (rule 5.1.11).
    pub(crate) fn repair(&mut self) {
        if self.handover == Handover::Waits {
            return;
        }
        // First the directories, without which nothing can be pinned.
        let missing = match self.kernel.restore_pins() {
            Ok(restored) if restored.is_empty() => Vec::new(),
            Ok(restored) => {
                let what = restored.join(", ");
                tracing::warn!("somebody else had removed pins; they are back: {what}");
                Vec::new()
            }
            Err(error) => vec![format!("pins that are missing: {error}")],
        };
        self.problems.set(Place::Pins, missing);
        self.attachments.note_lost(&self.kernel.lost_devices());
        match self.kernel.repair_cgroup() {
            Ok(false) => {}
            Ok(true) => tracing::warn!("somebody else had detached socket hooks; they are back"),
            Err(error) => tracing::warn!("{error}"),
        }
        self.attach();
        self.look_beside();
        if let Err(error) = self.doubt() {
            self.start_over(&error);
        }
    }

    /// Attaches what is wanted and not attached yet.
    pub(crate) fn attach(&mut self) {
        let attach = (self.handover != Handover::Waits).then_some(self.config.attach.0);
        self.attachments.sync(&mut self.kernel, &self.facts, attach);
        (self.devices_told, self.is_report_due) = (None, true);
    }

    /// The maps are complete: puts our programs in the place of another version's, and removes what is left of it.
    fn take_over(&mut self) -> Result<(), Error> {
        if self.handover == Handover::Waits {
            self.handover = Handover::Begun;
            self.attach();
            self.kernel.attach_hooks()?;
            tracing::info!("took over from another version of the maps");
        }
        self.kernel.retire_others()?;
        self.handover = Handover::Done;
        Ok(())
    }

    /// Makes the maps match, or says what failed; then [`Self::start_over`] and a later try help.
    pub(crate) fn converge(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        self.read_again()?;
        if self.has_read_all() {
            self.allocate();
        }
        self.note_changed();
        if self.has_read_all() && self.is_stale {
            self.queue();
        }
        let blocks = self.service_ranges.blocks(&self.config);
        let settings = self.facts.settings(&self.config, &blocks);
        if self.settings != Some(settings) {
            self.kernel.set_settings(&settings)?;
            self.settings = Some(settings);
        }
        if self.route_epoch != Some(self.seen.route_epoch) {
            self.kernel.set_route_epoch(self.seen.route_epoch)?;
            self.route_epoch = Some(self.seen.route_epoch);
        }
        self.converge_pods()?;
        if self.has_read_all() && self.is_stale {
            self.sync(begun)?;
        }
        if self.handover != Handover::Done && self.is_synced() {
            self.take_over()?;
        }
        self.open_health_ports();
        self.problems.set(Place::Failure, Vec::new());
        if self.is_synced() {
            self.show_objects();
            self.answer_waiting(&Ok(()));
        }
        Ok(())
    }

    /// Whether every source has told everything once.
    fn has_read_all(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Gives Services the numbers that they lack, before anything is computed from them.
    fn allocate(&mut self) {
        let is_unreadable = self.problems.has_unreadable();
        let own = &self.facts.own_addresses;
        let Some(denied) = self.allocator.complete(&mut self.store, own, is_unreadable) else {
            return;
        };
        self.is_stale = true;
        for (service, found) in denied {
            let lines = problems::lines(&found);
            self.problems.set(Place::Allocated(Some(service)), lines);
        }
        let failure = self.allocator.failure().into_iter().collect();
        self.problems.set(Place::Allocated(None), failure);
    }

    /// After a failed write nobody knows what the maps hold: read them again.
    pub(crate) fn start_over(&mut self, error: &Error) {
        self.fail(error);
        self.answer_waiting(&Err(error.to_string()));
        self.is_stale = true;
        (self.settings, self.route_epoch) = (None, None);
        self.journal.failed();
        self.pending.everything = true;
        self.pending.unread = true;
        if let Err(error) = self.read_again() {
            self.fail(&error);
        }
    }

    /// What was planned last may be in the maps or not: until they have been read nothing is planned on top of it.
    fn read_again(&mut self) -> Result<(), Error> {
        if self.pending.unread {
            let image = apply::image(&self.kernel)?;
            self.planner = Planner::adopt(image, Limits::default());
            self.pending.unread = false;
        }
        Ok(())
    }

    fn fail(&mut self, error: &Error) {
        self.problems.set(Place::Failure, vec![error.to_string()]);
    }

    /// Whether the maps match the sources.
    pub(crate) fn is_synced(&self) -> bool {
        self.last_sync.is_some() && !self.is_stale
    }

    /// Logs what is newly wrong.
    pub(crate) fn report(&mut self) {
        let ranges = self.service_ranges.problems(&self.config);
        self.problems.set(Place::Ranges, ranges);
        let vitals = self.journal.vitals();
        vitals.set_planned(self.planner.map_use());
        let health = self.health_ports.problems().iter().cloned();
        let health = health.chain(self.health.problem()).chain(vitals.problem());
        self.problems.set(Place::Health, health.collect());
        if std::mem::take(&mut self.is_report_due) {
            vitals.set_devices(self.attachments.rows());
            self.problems
                .set(Place::Devices, self.attachments.failures());
        }
        self.problems.report();
        self.publish_state();
    }

    /// What the ids in the maps mean, kept up to date.
    pub(crate) fn names(&self) -> Reader {
        self.published.subscribe()
    }

    /// Only what differs: nobody is woken in vain.
    fn publish_state(&self) {
        let (is_synced, problems) = (self.is_synced(), self.problems.count());
        self.published.send_if_modified(|it| {
            let differs = (it.is_synced, it.problems) != (is_synced, problems);
            (it.is_synced, it.problems) = (is_synced, problems);
            differs
        });
    }

    /// What the agent's parts tell the metrics.
    pub(crate) fn vitals(&self) -> &Arc<Vitals> {
        self.journal.vitals()
    }

    /// What tells the outside how this loop is doing.
    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.health
    }
}
