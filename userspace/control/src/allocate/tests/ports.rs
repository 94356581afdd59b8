//! NodePorts and health-check ports.

use std::collections::HashSet;

use super::*;
use crate::allocate::Ranges;

fn ranges(first: u16, last: u16) -> Ranges {
    Cluster::with(first..=last, &[]).ranges
}

#[test]
fn rule_1_6_2_the_static_band_is_a_part_of_the_range_within_bounds() {
    for (first, last, expected) in [
        (30_000, 32_767, 86),
        (1, 65_535, 128),
        (30_000, 30_511, 16),
        (30_000, 30_543, 17),
        (30_000, 30_016, 16),
        (30_000, 30_015, 0),
        (30_000, 30_000, 0),
    ] {
        let [fixed, dynamic] = ranges(first, last).port_bands();
        assert_eq!(fixed, 0..expected, "{first}-{last}");
        assert_eq!(dynamic, expected..u128::from(last - first) + 1);
    }
}

#[test]
fn rule_1_6_1_and_1_6_2_the_dynamic_band_is_used_up_before_the_static_one() {
    let mut cluster = Cluster::with(crate::node::NODE_PORTS, &["10.96.0.0/16"]);
    for service in 0..28 {
        let ports: Vec<String> = (1..=100)
            .map(|port| format!("{{port: {port}, name: p{port}}}"))
            .collect();
        let ports = ports.join(", ");
        cluster.put(
            &format!("s{service}"),
            &format!("type: NodePort, ports: [{ports}]"),
        );
        let problems = cluster.run();
        let all = cluster.all_numbers();
        let distinct: HashSet<u16> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len());
        let fixed = all.iter().filter(|number| **number <= 30_085).count();
        let dynamic = all
            .iter()
            .filter(|number| (30_086..=32_767).contains(*number))
            .count();
        // 2682 dynamic numbers, then 86 static ones.
        let wanted = (service + 1) * 100;
        assert_eq!(dynamic, wanted.min(2682));
        assert_eq!(fixed, wanted.min(2768) - dynamic);
        let missing = wanted - wanted.min(2768);
        assert_eq!(problems.len(), missing, "{problems:?}");
        if let Some(problem) = problems.last() {
            assert_eq!(
                problem,
                "s27.yaml: document 1: Service default/s27: spec.ports[99].nodePort: no number is \
                 left in --nodeport-range (30000-32767): widen it, or delete Services"
            );
        }
    }
}

#[test]
fn rule_1_6_7_a_number_is_one_services_whatever_the_protocol() {
    let mut cluster = Cluster::with(30_000..=30_001, &["10.96.0.0/16"]);
    cluster.put("tcp", NODE_PORT);
    cluster.put("udp", "type: NodePort, ports: [{port: 80, protocol: UDP}]");
    cluster.settle();
    assert_ne!(cluster.node_ports("tcp"), cluster.node_ports("udp"));
    cluster.put(
        "sctp",
        "type: NodePort, ports: [{port: 80, protocol: SCTP}]",
    );
    let problems = cluster.run();
    assert!(problems[0].contains("no number is left"), "{problems:?}");
    assert_eq!(cluster.node_ports("sctp"), [0]);
}

#[test]
fn rule_1_6_7_protocols_of_one_service_may_be_told_to_share_a_number() {
    let mut cluster = Cluster::new();
    cluster.put(
        "web",
        "type: NodePort, ports: [{port: 80, name: a, nodePort: 30500}, \
         {port: 81, name: b, protocol: UDP, nodePort: 30500}, {port: 82, name: c}]",
    );
    cluster.settle();
    let numbers = cluster.node_ports("web");
    assert_eq!(numbers[..2], [30_500, 30_500]);
    assert!(numbers[2] > 30_085 && numbers[2] != 30_500, "{numbers:?}");
}

#[test]
fn rule_1_6_8_protocols_of_one_port_get_the_same_number() {
    let mut cluster = Cluster::new();
    let dns = "{port: 53, name: a}, {port: 53, name: b, protocol: UDP}";
    cluster.put(
        "dns",
        &format!("type: NodePort, ports: [{dns}, {{port: 9153, name: c}}]"),
    );
    // What one of them is told, the other follows.
    cluster.put(
        "told",
        "type: NodePort, ports: [{port: 53, name: a}, {port: 53, name: b, protocol: UDP, nodePort: 30053}]",
    );
    cluster.settle();
    let numbers = cluster.node_ports("dns");
    assert_eq!(numbers[0], numbers[1]);
    assert_ne!(numbers[0], numbers[2]);
    assert_eq!(cluster.node_ports("told"), [30_053, 30_053]);
    // A protocol that comes later joins its sibling, and the others stay.
    let more = format!(
        "type: NodePort, ports: [{dns}, {{port: 9153, name: c}}, \
        {{port: 9153, name: d, protocol: SCTP}}]"
    );
    cluster.put("dns", &more).settle();
    let joined = cluster.node_ports("dns");
    assert_eq!(joined[..3], numbers);
    assert_eq!(joined[3], numbers[2]);
}

#[test]
fn rule_1_6_9_and_7_2_7_the_health_check_port_is_of_the_same_pool_and_comes_with_policy_local() {
    let mut cluster = Cluster::with(30_000..=30_002, &["10.96.0.0/16"]);
    cluster
        .put(
            "web",
            &format!("allocateLoadBalancerNodePorts: false, {LOCAL}"),
        )
        .settle();
    // Rule 1.6.10 does not reach it.
    assert_eq!(cluster.node_ports("web"), [0]);
    let health = cluster.health("web").unwrap();
    assert!((30_000..=30_002).contains(&health));
    // Kept while in force, whatever else changes.
    cluster.put("web", LOCAL).put("other", NODE_PORT).settle();
    assert_eq!(cluster.health("web"), Some(health));
    let all: HashSet<u16> = cluster.all_numbers().into_iter().collect();
    assert_eq!(all, HashSet::from([30_000, 30_001, 30_002]));
    // Either end of it releases the number: now one more Service finds one.
    for end in [
        BALANCER,
        "type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80}]",
    ] {
        let mut cluster = Cluster::with(30_000..=30_002, &["10.96.0.0/16"]);
        cluster.put("web", LOCAL).put("other", NODE_PORT).settle();
        cluster.put("web", end).put("late", NODE_PORT).settle();
        assert_eq!(cluster.health("web"), None);
        assert_eq!(cluster.all_numbers().len(), 3);
    }
}

#[test]
fn rule_1_6_10_and_7_2_6_without_allocation_only_what_is_asked_for_or_was_given_is_there() {
    let mut cluster = Cluster::new();
    let off = "type: LoadBalancer, allocateLoadBalancerNodePorts: false";
    cluster.put("none", &format!("{off}, ports: [{{port: 80}}]"));
    cluster.put(
        "asked",
        &format!("{off}, ports: [{{port: 80, nodePort: 30500}}]"),
    );
    cluster.put("flipped", BALANCER);
    cluster.settle();
    assert_eq!(cluster.node_ports("none"), [0]);
    assert_eq!(cluster.node_ports("asked"), [30_500]);
    let given = cluster.node_ports("flipped");
    assert_ne!(given, [0]);
    // Traffic by the load-balancer address works without one.
    assert_eq!(cluster.vips("none").len(), 1);
    cluster
        .put("flipped", &format!("{off}, ports: [{{port: 80}}]"))
        .settle();
    assert_eq!(cluster.node_ports("flipped"), given);
    // Zero, said aloud, lets it go.
    cluster
        .put(
            "flipped",
            &format!("{off}, ports: [{{port: 80, nodePort: 0}}]"),
        )
        .settle();
    assert_eq!(cluster.node_ports("flipped"), [0]);
    cluster.put("flipped", BALANCER).settle();
    assert_ne!(cluster.node_ports("flipped"), [0]);
}

#[test]
fn rule_1_7_7_both_families_have_the_same_number() {
    let mut cluster = Cluster::new();
    cluster
        .put(
            "web",
            &format!("ipFamilyPolicy: RequireDualStack, {NODE_PORT}"),
        )
        .settle();
    let node = crate::NodeFacts::default();
    let ports = crate::model::build(&cluster.store, &node).ports;
    assert_eq!(ports.len(), 2);
    assert!(ports[0].node_port.is_some() && ports[0].node_port == ports[1].node_port);
}

#[test]
fn a_port_keeps_its_number_by_name_and_by_port_when_it_is_renamed() {
    let mut cluster = Cluster::new();
    let spec = |ports: &str| format!("type: NodePort, ports: [{ports}]");
    cluster
        .put("web", &spec("{port: 80, name: a}, {port: 81, name: b}"))
        .settle();
    let [a, b] = cluster.node_ports("web")[..] else {
        panic!("two ports")
    };
    for (ports, expected) in [
        ("{port: 81, name: b}, {port: 80, name: a}", [b, a]),
        ("{port: 8081, name: b}, {port: 80, name: a}", [b, a]),
        ("{port: 8081, name: c}, {port: 80, name: a}", [b, a]),
    ] {
        cluster.put("web", &spec(ports)).settle();
        assert_eq!(cluster.node_ports("web"), expected, "{ports}");
    }
}

#[test]
fn two_ports_that_come_to_have_one_protocol_part_their_numbers() {
    let mut cluster = Cluster::new();
    let spec = |second: &str| format!("type: NodePort, ports: [{{port: 53, name: a}}, {second}]");
    cluster
        .put("dns", &spec("{port: 53, name: b, protocol: UDP}"))
        .settle();
    let before = cluster.node_ports("dns");
    cluster.put("dns", &spec("{port: 54, name: b}")).settle();
    let after = cluster.node_ports("dns");
    assert_eq!(after[0], before[0]);
    assert!(after[1] != after[0] && after[1] != 0, "{after:?}");
}
