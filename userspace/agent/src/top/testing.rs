//! A node with three Services, at any second of its life.

use tidegate_api::{BackendTraffic, CounterRow, ServiceTraffic, TrafficCount, TrafficReport};

/// What the agent answers after so many seconds.
pub(super) fn report(second: u64) -> TrafficReport {
    let [web, web6, dns] = [
        service(1, "default", "web", "http", "TCP", "IPv4"),
        service(2, "default", "web", "http", "TCP", "IPv6"),
        service(3, "kube-system", "kube-dns", "dns", "UDP", "IPv4"),
    ];
    let web = ServiceTraffic {
        traffic: Some(count(1000, 500, 20, second)),
        active: Some(1200),
        endpoints_ready: 2,
        endpoints_total: 3,
        backends: vec![
            backend(11, "10.244.0.7:8080", true, count(600, 300, 12, second)),
            backend(12, "10.244.1.9:8080", false, count(400, 200, 8, second)),
        ],
        ..web
    };
    let web6 = ServiceTraffic {
        traffic: None,
        endpoints_ready: 0,
        endpoints_total: 0,
        ..web6
    };
    let dns = ServiceTraffic {
        traffic: Some(count(10, 10, 10, second)),
        active: Some(37),
        port: 53,
        ..dns
    };
    TrafficReport {
        version: "0.1.0".into(),
        node: "node-a".into(),
        synced: true,
        problems: 0,
        monotonic_nanoseconds: (1000 + second) * 1_000_000_000,
        active: Some(1237),
        flow_records: Some(2474),
        flow_capacity: 262_144,
        counters: vec![
            counter("known_flow", "forward", 990 * second),
            counter("known_reply", "forward", 510 * second),
            counter("new_flow", "forward", 30 * second),
            counter("socket_translated", "forward", 2 * second),
            counter("no_endpoints", "reject", 3 * second),
            counter("source_range", "drop", 4 * second),
            counter("not_service", "pass", 9000 * second),
        ],
        services: vec![web, web6, dns],
    }
}

fn service(
    id: u32,
    namespace: &str,
    name: &str,
    port: &str,
    proto: &str,
    family: &str,
) -> ServiceTraffic {
    ServiceTraffic {
        id,
        namespace: namespace.into(),
        name: name.into(),
        port_name: port.into(),
        port: 80,
        proto: proto.into(),
        family: family.into(),
        endpoints_ready: 1,
        endpoints_total: 1,
        active: Some(0),
        ..ServiceTraffic::default()
    }
}

fn backend(id: u32, address: &str, serves: bool, traffic: TrafficCount) -> BackendTraffic {
    BackendTraffic {
        id,
        address: address.parse().unwrap(),
        serves,
        traffic: Some(traffic),
        active: Some(600),
    }
}

fn count(packets: u64, reply_packets: u64, opened: u64, second: u64) -> TrafficCount {
    TrafficCount {
        packets: packets * second,
        bytes: packets * second * 100,
        reply_packets: reply_packets * second,
        reply_bytes: reply_packets * second * 100,
        opened: opened * second,
        refused: 3 * second,
    }
}

fn counter(reason: &str, verdict: &str, packets: u64) -> CounterRow {
    CounterRow {
        reason: reason.into(),
        verdict: verdict.into(),
        packets,
        bytes: packets * 100,
        sentence: String::new(),
    }
}
