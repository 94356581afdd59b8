//! One task owns the store, the planner and the maps, and makes them agree.
//!
//! Level-triggered: whatever happened, the whole desired state is computed again and compared; an
//! event that was lost costs time, never correctness. Nothing is planned before every manifest has
//! been read once, so that a restart never empties the maps (rule 5.1.9).

mod answer;
mod apply;
mod attach;
mod beside;
mod declared;
mod pods;
mod problems;
mod run;
mod telling;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tidegate_abi::{Family, LocalPod, Settings};
use tidegate_control::{
    Compiled, Limits, NodeFacts, Planner, Severity, Store, compile, health, node::zone_of,
};
use tidegate_loader::Error;
use tokio::sync::{oneshot, watch};

pub(crate) use run::{Inputs, run};

use crate::{
    config::Config,
    devices::{
        Facts,
        declared::{Declared, Devices},
    },
    health::{Health, Scope, ServicePorts},
    kernel::Kernel,
    metrics::{Journal, Vitals},
    names::{Names, Published, Reader},
    netlink::Snapshot,
    objects::Objects,
    service_ranges::ServiceRanges,
    sockets::Trigger,
    sources::{Batch, Change, Source},
    state::Allocator,
};
use attach::Attachments;
use problems::Problems;

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
    compiled: Option<Compiled>,
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
    handover: Handover,
    service_ranges: ServiceRanges,
    /// As written; `None`: not yet.
    settings: Option<Settings>,
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
        let facts = Facts::derive(&config, seen, &declared, &pods);
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
            compiled: None,
            awaited: BTreeSet::from([Source::Manifests]),
            sources: BTreeSet::from([Source::Manifests]),
            waiting: Vec::new(),
            facts,
            seen: seen.clone(),
            devices,
            declared,
            attachments: Attachments::default(),
            handover,
            service_ranges: ServiceRanges::default(),
            settings: None,
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
        self.problems.set_unreadable(batch.source, batch.unreadable);
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

    /// Puts back what somebody else has taken away (rule 5.1.11).
    pub(crate) fn repair(&mut self) {
        if self.handover == Handover::Waits {
            return;
        }
        // First the directories, without which nothing can be pinned.
        self.problems.pins = match self.kernel.restore_pins() {
            Ok(restored) if restored.is_empty() => None,
            Ok(restored) => {
                let what = restored.join(", ");
                tracing::warn!("somebody else had removed pins; they are back: {what}");
                None
            }
            Err(error) => Some(format!("pins that are missing: {error}")),
        };
        self.attachments.note_lost(&self.kernel.lost_devices());
        match self.kernel.repair_cgroup() {
            Ok(false) => {}
            Ok(true) => tracing::warn!("somebody else had detached socket hooks; they are back"),
            Err(error) => tracing::warn!("{error}"),
        }
        self.attach();
        self.look_beside();
    }

    /// Attaches what is wanted and not attached yet.
    pub(crate) fn attach(&mut self) {
        let attach = (self.handover != Handover::Waits).then_some(self.config.attach.0);
        self.attachments.sync(&mut self.kernel, &self.facts, attach);
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
        if self.has_read_all() {
            self.allocate();
        }
        if self.has_read_all() && self.is_stale {
            self.health.queued();
            self.journal.queued();
            let eligible = health::node_is_eligible(&self.store, &self.config.node_name);
            self.health.set_node_eligible(eligible);
        }
        let blocks = self.service_ranges.blocks(&self.config);
        let settings = self.facts.settings(&self.config, &blocks);
        if self.settings != Some(settings) {
            self.kernel.set_settings(&settings)?;
            self.settings = Some(settings);
        }
        self.converge_pods()?;
        if self.has_read_all() && self.is_stale {
            let compiled = compile(&self.store, &self.node());
            let plan = self.planner.plan(&compiled.desired);
            self.problems.compiled = problems::lines(&compiled.problems);
            self.problems.planned = problems::lines(&plan.problems);
            // Its replies must be met on their way out before the first packet is sent to it.
            self.kernel
                .set_host_backends(self.has_host_backend(&compiled))?;
            let applied = apply::plan(&mut self.kernel, &plan);
            self.publish_names(&compiled);
            self.compiled = Some(compiled);
            // The first time also for what an earlier agent did not live to see.
            if plan.lost_udp || self.last_sync.is_none() {
                self.sockets.pull();
            }
            applied?;
            self.note_sync(begun);
        }
        if self.handover != Handover::Done && self.is_synced() {
            self.take_over()?;
        }
        self.open_health_ports();
        self.problems.failure = None;
        if self.is_synced() {
            self.show_objects();
            self.answer_waiting(&Ok(()));
        }
        Ok(())
    }

    /// The maps match, after an attempt that began at this moment.
    fn note_sync(&mut self, begun: Instant) {
        self.is_stale = false;
        self.last_sync = Some(Instant::now());
        self.last_sync_took = Some(begun.elapsed());
        for family in [Family::V4, Family::V6] {
            self.health.updated(family);
        }
        let ports = self.compiled.as_ref().map_or(&[][..], |it| &it.ports);
        self.journal.synced(begun.elapsed(), ports);
    }

    /// Whether every source has told everything once.
    fn has_read_all(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Gives Services the numbers that they lack, before anything is computed from them.
    fn allocate(&mut self) {
        let is_unreadable = self.problems.has_unreadable();
        let own = &self.facts.own_addresses;
        if let Some(found) = self.allocator.complete(&mut self.store, own, is_unreadable) {
            self.is_stale = true;
            self.problems.allocated = problems::lines(&found);
            self.problems.allocated.extend(self.allocator.failure());
        }
    }

    /// After a failed write nobody knows what the maps hold: read them again.
    pub(crate) fn start_over(&mut self, error: &Error) {
        self.problems.failure = Some(error.to_string());
        self.answer_waiting(&Err(error.to_string()));
        self.is_stale = true;
        self.settings = None;
        self.journal.failed();
        match apply::image(&self.kernel) {
            Ok(image) => self.planner = Planner::adopt(image, Limits::default()),
            Err(error) => self.problems.failure = Some(error.to_string()),
        }
    }

    /// Whether the maps match the sources.
    pub(crate) fn is_synced(&self) -> bool {
        self.last_sync.is_some() && !self.is_stale
    }

    /// Logs what is newly wrong.
    pub(crate) fn report(&mut self) {
        self.problems.devices = self.attachments.failures();
        self.problems.ranges = self.service_ranges.problems(&self.config);
        self.problems.health = self.health_ports.problems().to_vec();
        self.problems.health.extend(self.health.problem());
        let vitals = self.journal.vitals();
        self.problems.health.extend(vitals.problem());
        vitals.set_devices(self.attachments.rows());
        vitals.set_planned(self.planner.map_use());
        self.problems.report();
        self.publish_state();
    }

    /// What the ids in the maps mean, kept up to date.
    pub(crate) fn names(&self) -> Reader {
        self.published.subscribe()
    }

    /// Also after a write that failed: some of the new ids may be met already.
    fn publish_names(&self, compiled: &Compiled) {
        self.published.send_modify(|it| {
            it.names = Arc::new(Names::new(&self.planner, compiled, &it.names));
        });
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

    /// After the maps, so that no load balancer hears of an endpoint before packets reach it.
    fn open_health_ports(&mut self) {
        let Some(compiled) = &self.compiled else {
            return;
        };
        let scope = Scope::of(
            &self.config.nodeport_addresses,
            &self.facts.nodeport_addresses,
        );
        self.health_ports
            .sync(&health::checks(&compiled.ports), &scope);
    }

    /// Whether a process of this host serves: an endpoint here that has one of the host's own addresses.
    fn has_host_backend(&self, compiled: &Compiled) -> bool {
        let own = &self.facts.own_addresses;
        let endpoints = compiled.ports.iter().flat_map(|port| &port.endpoints);
        endpoints
            .into_iter()
            .any(|it| (it.used_cluster || it.used_local) && own.contains(&it.ip))
    }

    fn node(&self) -> NodeFacts {
        NodeFacts {
            name: self.config.node_name.clone(),
            zone: zone_of(&self.store, &self.config.node_name),
            addresses: self.facts.nodeport_addresses.clone(),
            node_port_range: self.config.nodeport_range.first..=self.config.nodeport_range.last,
            local_pod_addresses: self.facts.local_pods.keys().copied().collect(),
        }
    }
}
