//! Living flows, counted for each service port and backend by the thread that sweeps.
//!
//! A census is as old as the last walk (every ten seconds, see [`crate::sweep`]), so that nobody has to walk the
//! flow maps in order to show a number. A flow counts once, by its forward record, while it is neither over nor
//! idle for too long. Sockets of host processes are translated when they connect and have no flow.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Instant};

use tidegate_abi::{Address, Family, Flow};
use tidegate_datapath::{known, tcp};
use tokio::sync::watch;

/// How others see what the sweeping thread publishes: `reader.borrow().clone()` is the newest census.
pub(crate) type Reader = watch::Receiver<Arc<Census>>;

/// Backends that are counted apart; flows to further ones count for their service port only.
const BACKENDS_MOST: usize = 1 << 17;

/// One count of all flows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census {
    /// By the id of the service port.
    services: HashMap<u32, u64>,
    /// By service port and address: ids of backends are given out again while flows to the old one live on.
    backends: HashMap<(u32, SocketAddr), u64>,
    /// Records of each family, of living flows or not.
    records: [u64; 2],
    /// Living flows of each family, those without a Service included.
    living: [u64; 2],
    /// Name, entries used and capacity of each map whose entries can be counted.
    pub(crate) maps: Vec<(String, Option<u32>, u32)>,
    /// Flows that were swept since the agent started.
    pub(crate) swept: u64,
    /// When it was complete; `None`: there was none yet.
    pub(crate) taken: Option<Instant>,
}

impl Census {
    /// Counts a record in, if it stands for a living flow.
    pub(crate) fn count<A: Address>(&mut self, flow: &Flow<A>, now: u32) {
        let family = index(A::FAMILY);
        self.records[family] += 1;
        let is_over = tcp::is_over(flow.state) || known::is_idle(flow, now);
        if flow.is_reply() || flow.is_void() || is_over {
            return;
        }
        self.living[family] += 1;
        // Flows that go to a backend directly and only needed another port.
        if flow.backend == 0 {
            return;
        }
        *self.services.entry(flow.service).or_default() += 1;
        let to = SocketAddr::new(flow.dst.to_ip(), flow.dst_port.get());
        let is_room = self.backends.len() < BACKENDS_MOST;
        match self.backends.get_mut(&(flow.service, to)) {
            Some(count) => *count += 1,
            None if is_room => drop(self.backends.insert((flow.service, to), 1)),
            None => {}
        }
    }

    /// Living flows that were opened through a service port.
    pub(crate) fn service(&self, id: u32) -> u64 {
        self.services.get(&id).copied().unwrap_or(0)
    }

    /// Living flows of a service port to one of its backends.
    pub(crate) fn backend(&self, service: u32, address: SocketAddr) -> u64 {
        let count = self.backends.get(&(service, address));
        count.copied().unwrap_or(0)
    }

    /// Living flows of a family.
    pub(crate) fn living(&self, family: Family) -> u64 {
        self.living[index(family)]
    }

    /// Flow records of a family; two for each flow.
    pub(crate) fn records(&self, family: Family) -> u64 {
        self.records[index(family)]
    }
}

fn index(family: Family) -> usize {
    usize::from(family == Family::V6)
}

#[cfg(test)]
mod tests {
    use tidegate_abi::{Ip4, Port, flow::flags};

    use super::*;

    const NOW: u32 = 100_000;

    fn flow(service: u32, host: u8) -> Flow<Ip4> {
        Flow {
            src: Ip4::new([10, 0, 0, 1]),
            dst: Ip4::new([10, 244, 0, host]),
            src_port: Port::new(1),
            dst_port: Port::new(8080),
            backend: 7,
            service,
            seen: NOW,
            created: NOW,
            state: tcp::OPEN,
            ..Flow::default()
        }
    }

    fn at(host: u8) -> SocketAddr {
        SocketAddr::from(([10, 244, 0, host], 8080))
    }

    #[test]
    fn living_flows_count_for_their_service_port_and_backend() {
        let mut census = Census::default();
        for (service, host) in [(3, 7), (3, 7), (3, 8), (4, 7)] {
            census.count(&flow(service, host), NOW);
        }
        assert_eq!(
            (census.service(3), census.service(4), census.service(5)),
            (3, 1, 0)
        );
        assert_eq!((census.backend(3, at(7)), census.backend(3, at(8))), (2, 1));
        assert_eq!((census.backend(4, at(7)), census.backend(4, at(8))), (1, 0));
        assert_eq!(
            (census.living(Family::V4), census.living(Family::V6)),
            (4, 0)
        );
    }

    #[test]
    fn replies_void_over_and_idle_records_are_records_and_no_flows() {
        let mut census = Census::default();
        let live = flow(3, 7);
        let reply = Flow {
            flags: flags::REPLY,
            ..live
        };
        let void = Flow {
            dst: Ip4::default(),
            ..live
        };
        let closed = Flow {
            state: tcp::CLOSED,
            ..live
        };
        let reset = Flow {
            state: tcp::RESET,
            ..live
        };
        let idle = Flow {
            state: tcp::OPENING,
            seen: NOW - 1000,
            ..live
        };
        for flow in [reply, void, closed, reset, idle] {
            census.count(&flow, NOW);
        }
        assert_eq!((census.service(3), census.living(Family::V4)), (0, 0));
        assert_eq!(census.records(Family::V4), 5);
    }

    #[test]
    fn a_flow_that_only_needed_another_port_belongs_to_no_service() {
        let mut census = Census::default();
        let direct = Flow {
            backend: 0,
            service: 0,
            ..flow(0, 7)
        };
        census.count(&direct, NOW);
        assert_eq!((census.service(0), census.living(Family::V4)), (0, 1));
    }
}
