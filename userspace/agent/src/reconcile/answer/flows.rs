//! Flows, read from the kernel when asked for.

use std::net::SocketAddr;

use nix::time::{ClockId, clock_gettime};
use tidegate_abi::{
    Address, Flow, FlowKey, Ip4, Ip6, Port, Proto,
    flow::{TICK_SHIFT, flags::MASQUERADE},
};
use tidegate_api::{FlowRow, Flushed};
use tidegate_datapath::tcp;
use tidegate_loader::Error;

use super::proto;
use crate::{
    asking::FlowFilter,
    kernel::{FlowRecord, Kernel, Maps},
    reconcile::Reconciler,
};

impl<K: Kernel> Reconciler<K> {
    /// Flows by their forward records; both families share the limit.
    pub(super) fn flows(&self, filter: &FlowFilter, limit: usize) -> Result<Vec<FlowRow>, Error> {
        let mut rows: Vec<FlowRow> = Vec::new();
        let all = self.family::<Ip4>(filter, limit)?;
        rows.extend(all.into_iter().map(|(row, _)| row));
        let all = self.family::<Ip6>(filter, limit - rows.len())?;
        rows.extend(all.into_iter().map(|(row, _)| row));
        Ok(rows)
    }

    /// Drops flows, both records of each. A connection that goes on begins anew, or ends.
    pub(super) fn flush_flows(&mut self, filter: &FlowFilter) -> Result<Flushed, Error> {
        let removed = self.flush_family::<Ip4>(filter)? + self.flush_family::<Ip6>(filter)?;
        tracing::info!("{removed} flows are dropped on request");
        Ok(Flushed { removed })
    }

    fn flush_family<A: Address>(&mut self, filter: &FlowFilter) -> Result<usize, Error>
    where
        K: Maps<A>,
    {
        let meant = self.family::<A>(filter, usize::MAX)?;
        let keys: Vec<FlowKey<A>> = meant
            .iter()
            .flat_map(|(_, (key, flow))| [*key, flow.opposite(key.proto)])
            .collect();
        self.kernel.remove_flows(&keys)?;
        Ok(meant.len())
    }

    fn family<A: Address>(
        &self,
        filter: &FlowFilter,
        limit: usize,
    ) -> Result<Vec<(FlowRow, FlowRecord<A>)>, Error>
    where
        K: Maps<A>,
    {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let now = now_tick();
        let records: Vec<FlowRecord<A>> = self.kernel.flows()?;
        let forward = records.into_iter().filter(|(_, flow)| !flow.is_reply());
        let rows = forward.map(|record| (self.flow(&record.0, &record.1, now), record));
        Ok(rows
            .filter(|(row, _)| filter.has(row))
            .take(limit)
            .collect())
    }

    fn flow<A: Address>(&self, key: &FlowKey<A>, flow: &Flow<A>, now: u32) -> FlowRow {
        let owner = self.name(flow.service);
        FlowRow {
            proto: proto(key.proto),
            client: socket(key.src, key.src_port),
            frontend: socket(key.dst, key.dst_port),
            backend: socket(flow.dst, flow.dst_port),
            source_as_seen: socket(flow.src, flow.src_port),
            masqueraded: flow.flags & MASQUERADE != 0,
            state: state(key.proto, flow.state),
            idle_seconds: seconds(now, flow.seen),
            age_seconds: seconds(now, flow.created),
            namespace: owner.map(|key| key.namespace.clone()).unwrap_or_default(),
            service: owner.map(|key| key.service.clone()).unwrap_or_default(),
            backend_id: flow.backend,
        }
    }
}

fn socket<A: Address>(addr: A, port: Port) -> SocketAddr {
    SocketAddr::new(addr.to_ip(), port.get())
}

/// The state's name; UDP has none, and a number that has no name is shown as it is.
fn state(proto: Proto, state: u16) -> String {
    if proto != Proto::TCP {
        return String::new();
    }
    tcp::NAMES
        .get(usize::from(state))
        .map_or_else(|| state.to_string(), |name| (*name).to_owned())
}

/// The data path's clock.
fn now_tick() -> u32 {
    let Ok(now) = clock_gettime(ClockId::CLOCK_MONOTONIC) else {
        return 0;
    };
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    let nanoseconds = seconds * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0);
    // Ticks wrap after 146 years.
    (nanoseconds >> TICK_SHIFT) as u32
}

/// Between two ticks; a record written after `now` was read is of this moment.
fn seconds(now: u32, then: u32) -> u32 {
    let nanoseconds = u64::from(now.saturating_sub(then)) << TICK_SHIFT;
    u32::try_from(nanoseconds / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_seconds_and_never_negative_ones() {
        assert_eq!(seconds(100, 90), 10);
        assert_eq!(seconds(1000, 0), 1073);
        assert_eq!(seconds(5, 6), 0);
    }

    #[test]
    fn tcp_states_have_names_and_udp_has_none() {
        assert_eq!(state(Proto::TCP, tcp::OPEN), "open");
        assert_eq!(state(Proto::TCP, 999), "999");
        assert_eq!(state(Proto::UDP, 0), "");
    }
}
