//! The answer to `status`: one look at everything.

use tidegate_abi::{Counter, Ip4, Ip6, Reason, reason::Kind};
use tidegate_api::{CounterRow, MapRow, NodeRow, SourceRow, Status};
use tidegate_loader::Error;

use crate::{kernel::Kernel, reconcile::Reconciler};

impl<K: Kernel> Reconciler<K> {
    pub(super) fn status(&self) -> Result<Status, Error> {
        let tally = self.compiler.tally();
        let serving = super::backend_rows::<Ip4, K>(&self.kernel)?
            .into_iter()
            .chain(super::backend_rows::<Ip6, K>(&self.kernel)?)
            .filter(|backend| backend.state == "serving");
        let image = self.planner.image();
        let maps = self.map_rows()?;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: NodeRow {
                name: self.config.node_name.clone(),
                addresses: self.facts.node_addresses.clone(),
                nodeport_addresses: self.facts.nodeport_addresses.clone(),
            },
            synced: self.is_synced(),
            last_sync_seconds_ago: self.last_sync.map(|at| at.elapsed().as_secs_f64()),
            last_sync_milliseconds: self.last_sync_took.map(|it| it.as_secs_f64() * 1000.0),
            sources: self.source_rows(),
            adopted: self.kernel.adopted(),
            attach: self.config.attach.word().to_owned(),
            cgroup: self.cgroup.clone(),
            pod_cidrs: self
                .config
                .pod_cidr
                .iter()
                .map(ToString::to_string)
                .collect(),
            devices: self.device_rows(),
            service_ports: tally.ports,
            endpoints: tally.endpoints,
            frontends: image.v4.frontends.len() + image.v6.frontends.len(),
            backends: serving.count(),
            local_pods: self.pods.len(),
            maps,
            counters: counters(&self.kernel.counters()?),
            problems: self.problems.all(),
        })
    }
}

impl<K: Kernel> Reconciler<K> {
    /// Those that the kernel can count, and those that the planner fills, by name.
    fn map_rows(&self) -> Result<Vec<MapRow>, Error> {
        let planned = self.planner.map_use().into_iter();
        let planned = planned.map(|(name, used, capacity)| (name.to_owned(), Some(used), capacity));
        let mut rows: Vec<_> = self.kernel.map_use()?.into_iter().chain(planned).collect();
        rows.sort();
        let row = |(name, used, capacity)| MapRow {
            name,
            used,
            capacity,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    fn source_rows(&self) -> Vec<SourceRow> {
        let all = self.sources.iter();
        all.map(|source| SourceRow {
            name: source.name().to_owned(),
            read: !self.awaited.contains(source),
            unreadable: self.problems.unreadable(*source),
        })
        .collect()
    }
}

fn counters(values: &[Counter]) -> Vec<CounterRow> {
    let met = Reason::ALL
        .iter()
        .zip(values)
        .filter(|(_, value)| value.packets > 0);
    let rows = met.map(|(reason, value)| CounterRow {
        reason: reason.label().to_owned(),
        verdict: verdict(reason.kind()).to_owned(),
        packets: value.packets,
        bytes: value.bytes,
        sentence: reason.sentence().to_owned(),
    });
    rows.collect()
}

fn verdict(kind: Kind) -> &'static str {
    match kind {
        Kind::Pass => "pass",
        Kind::Forward => "forward",
        Kind::Reject => "reject",
        Kind::Drop => "drop",
    }
}
