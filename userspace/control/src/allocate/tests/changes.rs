//! What a Service keeps, and what it loses, when it changes, goes, or the agent starts again.

use super::*;
use crate::allocate::Avoid;

#[test]
fn rule_1_5_7_another_type_wipes_what_it_has_no_use_for() {
    let external = "type: ExternalName, externalName: example.org";
    // What is kept of clusterIP, nodePort, health-check port, load-balancer address.
    for (from, to, kept) in [
        (LOCAL, BALANCER, [true, true, false, true]),
        (LOCAL, NODE_PORT, [true, true, false, false]),
        (LOCAL, PLAIN, [true, false, false, false]),
        (LOCAL, external, [false; 4]),
        (NODE_PORT, BALANCER, [true, true, false, false]),
        (NODE_PORT, PLAIN, [true, false, false, false]),
        (PLAIN, external, [false; 4]),
        (PLAIN, "clusterIP: None, ports: [{port: 80}]", [false; 4]),
    ] {
        let mut cluster = Cluster::new();
        cluster.put("web", from).settle();
        let before = cluster.before.values().next().cloned().unwrap();
        cluster.put("web", to).settle();
        let after = cluster.before.values().next().cloned().unwrap_or_default();
        let same = [
            after.cluster_ips == before.cluster_ips,
            !before.node_ports.is_empty() && after.node_ports == before.node_ports,
            before.health_check_node_port.is_some()
                && after.health_check_node_port == before.health_check_node_port,
            !before.load_balancer_ips.is_empty()
                && after.load_balancer_ips == before.load_balancer_ips,
        ];
        assert_eq!(same, kept, "{from} to {to}");
        // And the Service itself shows no more than is remembered.
        assert_eq!(cluster.cluster_ips("web").len(), after.cluster_ips.len());
        assert_eq!(cluster.vips("web").len(), after.load_balancer_ips.len());
        assert_eq!(cluster.all_numbers().len(), after.numbers().count());
    }
}

#[test]
fn rule_1_6_12_what_a_deleted_service_had_is_free_at_once() {
    let mut cluster = Cluster::with(30_000..=30_001, &["10.0.0.0/29"]);
    cluster.ranges.pools = vec![pool("192.0.2.1", "192.0.2.1")];
    cluster.put("old", LOCAL).settle();
    let (numbers, vips) = (cluster.all_numbers(), cluster.vips("old"));
    let ip = cluster.cluster_ip("old");
    cluster.remove("old");
    cluster
        .put("new", &format!("clusterIP: {ip}, {LOCAL}"))
        .settle();
    assert_eq!(cluster.cluster_ip("new"), ip);
    assert_eq!(cluster.vips("new"), vips);
    let mut now = cluster.all_numbers();
    now.sort_unstable();
    let mut before = numbers;
    before.sort_unstable();
    assert_eq!(now, before);
}

#[test]
fn rule_7_1_11_after_a_restart_all_is_as_it_was() {
    let mut first = Cluster::new();
    let specs = [PLAIN, NODE_PORT, BALANCER, LOCAL];
    for (index, spec) in specs.iter().enumerate() {
        first.put(&format!("s{index}"), spec);
    }
    first.settle();
    // Another agent reads the manifests in another order, beside new ones that come first.
    let mut second = Cluster::new();
    second.before = first.before.clone();
    second
        .put("a", LOCAL)
        .put("b", &format!("clusterIP: 10.96.0.9, {NODE_PORT}"));
    for (index, spec) in specs.iter().enumerate().rev() {
        second.put(&format!("s{index}"), spec);
    }
    second.settle();
    for name in ["s0", "s1", "s2", "s3"] {
        assert_eq!(second.service(name), first.service(name));
    }
}

#[test]
fn rule_7_1_11_a_service_whose_manifest_cannot_be_read_now_keeps_what_it_had() {
    let mut cluster = Cluster::with(30_000..=30_002, &["10.96.0.0/16"]);
    cluster.put("web", LOCAL).settle();
    let before = cluster.service("web").clone();
    cluster.keep_absent = true;
    cluster.remove("web").put("other", BALANCER).settle();
    assert_eq!(cluster.vips("other"), ["192.0.2.2"]);
    let problems = cluster.put("third", LOCAL).run();
    assert_eq!(
        problems.len(),
        2,
        "two of the three numbers are reserved: {problems:?}"
    );
    cluster.remove("third").put("web", LOCAL).settle();
    assert_eq!(*cluster.service("web"), before);
    // Who asks for one of its numbers gets it: it is not serving.
    let number = cluster.node_ports("web")[0];
    let asks = format!("type: NodePort, ports: [{{port: 80, nodePort: {number}}}]");
    cluster.remove("web").put("asks", &asks).settle();
    assert_eq!(cluster.node_ports("asks"), [number]);
    cluster.put("web", LOCAL);
    cluster.run();
    assert_ne!(cluster.node_ports("web"), [number]);
    assert_eq!(cluster.cluster_ips("web").len(), 1);
}

#[test]
fn rule_7_1_11_what_is_in_use_is_not_given_when_nobody_knows_whose_it_was() {
    let mut cluster = Cluster::with(30_000..=30_002, &["10.0.0.0/29"]);
    cluster.avoid = Avoid {
        ips: ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]
            .map(|ip| ip.parse().unwrap())
            .into(),
        ports: [30_000, 30_002].into(),
    };
    cluster.put("web", NODE_PORT).settle();
    assert_eq!(cluster.cluster_ip("web").to_string(), "10.0.0.6");
    assert_eq!(cluster.node_ports("web"), [30_001]);
    // But who names it may have it.
    cluster
        .put(
            "asks",
            "type: NodePort, clusterIP: 10.0.0.2, ports: [{port: 80, nodePort: 30000}]",
        )
        .settle();
    assert_eq!(cluster.cluster_ip("asks").to_string(), "10.0.0.2");
}

#[test]
fn rule_7_1_11_while_nothing_can_be_remembered_nothing_new_is_given_and_the_rest_is_served() {
    let mut cluster = Cluster::new();
    cluster.put("old", BALANCER).settle();
    let old = cluster.service("old").clone();
    cluster.may_give = false;
    cluster.put("new", BALANCER);
    cluster.put(
        "asks",
        "type: NodePort, clusterIP: 10.96.0.7, ports: [{port: 80, nodePort: 30007}]",
    );
    cluster.put("half", &format!("clusterIP: 10.96.0.8, {NODE_PORT}"));
    cluster.settle();
    assert_eq!(*cluster.service("old"), old);
    assert!(cluster.cluster_ips("new").is_empty());
    assert_eq!(cluster.node_ports("asks"), [30_007]);
    assert_eq!(
        (
            cluster.cluster_ips("half").len(),
            cluster.node_ports("half")
        ),
        (1, vec![0])
    );
    cluster.may_give = true;
    cluster.settle();
    assert_eq!(cluster.cluster_ips("new").len(), 1);
    assert_ne!(cluster.node_ports("half"), [0]);
}

#[test]
fn numbers_that_the_ranges_no_longer_hold_are_kept_and_told() {
    let mut cluster = Cluster::new();
    cluster.put("web", NODE_PORT).settle();
    let (ip, numbers) = (cluster.cluster_ip("web"), cluster.node_ports("web"));
    let ranges = cluster.ranges.clone();
    cluster.ranges.service_blocks = vec![block("10.200.0.0/16")];
    cluster.ranges.node_ports = 20_000..=20_999;
    let problems = cluster.run();
    assert_eq!(
        problems,
        [
            format!(
                "web.yaml: document 1: Service default/web: spec.clusterIP: {ip}, which was given \
                 earlier, is not in --service-cidr (10.200.0.0/16) any more; it is kept: add its \
                 block again, or delete the Service and create it anew"
            ),
            format!(
                "web.yaml: document 1: Service default/web: spec.ports[0].nodePort: {}, which was \
                 given earlier, is not in --nodeport-range (20000-20999) any more and is not served: \
                 widen the range, or name a number in it",
                numbers[0]
            ),
        ]
    );
    assert_eq!(cluster.cluster_ip("web"), ip);
    assert_eq!(cluster.node_ports("web"), [0]);
    // A slip of the pen at one start costs nothing.
    cluster.ranges = ranges;
    cluster.settle();
    assert_eq!(cluster.node_ports("web"), numbers);
}
