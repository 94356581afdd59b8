//! From what changed to the maps: compiles, plans, writes, and tells others, each at the cost of the change.

use std::{collections::BTreeSet, mem, sync::Arc, time::Instant};

use tidegate_abi::Family;
use tidegate_control::{NodeFacts, ObjectKey, Plan, compiler::Update, health, node::zone_of};
use tidegate_loader::Error;

use super::{
    Reconciler, apply,
    problems::{self, Place},
};
use crate::{health::Scope, kernel::Kernel, names::Names};

/// Services that are compiled anew at each look of which nobody said that they changed.
const DOUBTED: usize = 256;

/// What the maps do not have yet, and what others have not been told.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Objects that must be compiled.
    changed: BTreeSet<ObjectKey>,
    /// Objects that are to be shown when the maps have them.
    unshown: BTreeSet<ObjectKey>,
    /// The planner knows nothing of the maps but what they hold: it must be told everything.
    pub(super) everything: bool,
    /// Not even that: a write failed, and so did reading the maps.
    pub(super) unread: bool,
    /// The health-check ports may be other than those that are open.
    pub(super) checks: bool,
}

impl Pending {
    /// What there is to do at a start.
    pub(super) fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }
}

impl<K: Kernel> Reconciler<K> {
    /// Takes over what the store says is other than before.
    pub(super) fn note_changed(&mut self) {
        for key in self.store.take_changed() {
            self.pending.changed.insert(key.clone());
            self.pending.unshown.insert(key);
        }
    }

    /// Makes the maps match, in an attempt that began at this moment.
    pub(super) fn sync(&mut self, begun: Instant) -> Result<(), Error> {
        let node = self.node();
        let changed = mem::take(&mut self.pending.changed);
        let update = self.compiler.update(&self.store, &changed, &node);
        self.is_compiled = true;
        self.write(&update)?;
        self.note_sync(begun);
        Ok(())
    }

    /// Looks at a few Services of which nobody said anything: whatever was missed is repaired.
    pub(super) fn doubt(&mut self) -> Result<(), Error> {
        if !self.is_synced() {
            return Ok(());
        }
        let update = self.compiler.doubted(&self.store, DOUBTED);
        if !update.delta.is_empty() {
            tracing::warn!(
                "a change of {} Services was missed and is repaired; please report this",
                update.services.len()
            );
            self.write(&update)?;
        }
        Ok(())
    }

    fn write(&mut self, update: &Update) -> Result<(), Error> {
        self.pending.checks |= update.has_other_checks;
        for (service, lost) in &update.problems {
            let lines = problems::lines(lost);
            self.problems.set(Place::Compiled(service.clone()), lines);
        }
        let is_all = self.pending.everything;
        let plan = if is_all {
            self.planner.plan(&self.compiler.desired())
        } else {
            self.planner.advance(&update.delta)
        };
        self.problems
            .set(Place::Planned, problems::lines(&plan.problems));
        // Its replies must be met on their way out before the first packet is sent to it, and for as long as connections
        // that it has may live (rule 5.1.1).
        if self.compiler.tally().host_backends > 0 {
            self.kernel.set_host_backends(true)?;
        }
        let applied = apply::plan(&mut self.kernel, &plan);
        self.publish_names(is_all, update, &plan);
        self.pending.everything = false;
        // The first time also for what an earlier agent did not live to see.
        if plan.lost_udp || self.last_sync.is_none() {
            self.sockets.pull();
        }
        applied
    }

    /// Also after a write that failed: some of the new ids may be met already.
    fn publish_names(&self, is_all: bool, update: &Update, plan: &Plan) {
        let names = if is_all {
            let old = Arc::clone(&self.published.borrow().names);
            Names::of_all(&self.planner, &self.compiler, &old)
        } else {
            let mut names = Names::clone(&self.published.borrow().names);
            names.follow(&self.planner, &self.compiler, &update.services, plan);
            names
        };
        self.published.send_modify(|it| it.names = Arc::new(names));
    }

    /// The maps match.
    fn note_sync(&mut self, begun: Instant) {
        self.is_stale = false;
        self.last_sync = Some(Instant::now());
        self.last_sync_took = Some(begun.elapsed());
        for family in [Family::V4, Family::V6] {
            self.health.updated(family);
        }
        self.journal.synced(begun.elapsed(), self.compiler.tally());
    }

    /// After the maps, so that no load balancer hears of an endpoint before packets reach it.
    pub(super) fn open_health_ports(&mut self) {
        if !self.is_compiled {
            return;
        }
        let scope = Scope::of(
            &self.config.nodeport_addresses,
            &self.facts.nodeport_addresses,
        );
        let is_other = self.pending.checks || self.health_ports.is_to_be_tried(&scope);
        if is_other {
            let checks: Vec<_> = self.compiler.checks().cloned().collect();
            self.health_ports.sync(&checks, &scope);
            self.pending.checks = false;
        }
    }

    /// Tells what became of objects, now that the maps have them.
    pub(super) fn show_objects(&mut self) {
        let Some(objects) = &self.objects else { return };
        let unshown = mem::take(&mut self.pending.unshown).into_iter();
        let shown = unshown.map(|key| {
            let held = self.store.get(&key).map(|held| Arc::clone(&held.object));
            (key, held)
        });
        objects.publish(shown.collect::<Vec<_>>());
    }

    pub(super) fn node(&self) -> NodeFacts {
        NodeFacts {
            name: self.config.node_name.clone(),
            zone: zone_of(&self.store, &self.config.node_name),
            addresses: self.facts.nodeport_addresses.clone(),
            node_port_range: self.config.nodeport_range.first..=self.config.nodeport_range.last,
            local_pod_addresses: self.facts.local_pods.keys().copied().collect(),
            own_addresses: self.facts.own_addresses.clone(),
        }
    }

    /// Load balancers hear of it before the maps change.
    pub(super) fn queue(&mut self) {
        self.health.queued();
        self.journal.queued();
        let eligible = health::node_is_eligible(&self.store, &self.config.node_name);
        self.health.set_node_eligible(eligible);
    }
}
