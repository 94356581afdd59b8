//! Flows, read from the kernel when asked for.

use std::net::SocketAddr;

use nix::time::{ClockId, clock_gettime};
use tidegate_abi::{
    Address, Flow, FlowKey, Ip4, Ip6, Port, Proto,
    flow::{TICK_SHIFT, flags::MASQUERADE},
};
use tidegate_datapath::tcp;
use tidegate_loader::Error;

use super::proto;
use crate::{
    kernel::{FlowRecord, Kernel, Maps},
    reconcile::Reconciler,
    view::FlowRow,
};

impl<K: Kernel> Reconciler<K> {
    /// Flows by their forward records; both families share the limit.
    pub(super) fn flows(&self, limit: usize) -> Result<Vec<FlowRow>, Error> {
        let mut rows = self.family::<Ip4>(limit)?;
        rows.extend(self.family::<Ip6>(limit - rows.len())?);
        Ok(rows)
    }

    fn family<A: Address>(&self, limit: usize) -> Result<Vec<FlowRow>, Error>
    where
        K: Maps<A>,
    {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let now = now_tick();
        let records: Vec<FlowRecord<A>> = self.kernel.flows()?;
        let forward = records
            .iter()
            .filter(|(_, flow)| !flow.is_reply())
            .take(limit);
        Ok(forward
            .map(|(key, flow)| self.flow(key, flow, now))
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
