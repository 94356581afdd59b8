use std::fmt::Write as _;

use super::*;
use crate::{NodeFacts, Store, compile, manifest};

/// A load balancer that keeps to local endpoints, with health-check port 30100.
fn local(name: &str, host: u8, more: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{type: LoadBalancer, \
         externalTrafficPolicy: Local, healthCheckNodePort: 30100, clusterIP: 10.96.0.{host}, {more}}}\n"
    )
}

const PORTS: &str = "ports: [{name: a, port: 80}, {name: b, port: 81}]";

/// A slice of Service web for both of its ports; each endpoint is `ADDRESS conditions`, on node-a.
fn slice(endpoints: &[&str]) -> String {
    let mut text =
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, \
        labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\n\
        ports: [{name: a, port: 8080}, {name: b, port: 8081}]\nendpoints:\n"
            .to_owned();
    for endpoint in endpoints {
        let (ip, conditions) = endpoint.split_once(' ').unwrap_or((endpoint, ""));
        writeln!(
            text,
            "- {{addresses: [{ip}], nodeName: node-a, conditions: {{{conditions}}}}}"
        )
        .unwrap();
    }
    text
}

/// Name, family, port and count of each check, and what is wrong.
fn compiled(text: &str) -> (Vec<String>, Vec<String>) {
    let node = NodeFacts {
        name: "node-a".to_owned(),
        ..NodeFacts::default()
    };
    let mut store = Store::new(node.node_port_range.clone());
    let mut problems = store.replace_file("a.yaml", manifest::parse("a.yaml", text));
    let compiled = compile(&store, &node);
    problems.extend(compiled.problems);
    let line = |it: HealthCheck| {
        let HealthCheck {
            key,
            port,
            local_ready,
            ..
        } = it;
        format!("{} {:?} {port} {local_ready}", key.service, key.family)
    };
    let lines = checks(&compiled.ports).into_iter().map(line).collect();
    let problems = problems.iter().map(ToString::to_string).collect();
    (lines, problems)
}

fn lines(text: &str) -> Vec<String> {
    let (lines, problems) = compiled(text);
    assert_eq!(problems, [""; 0]);
    lines
}

#[test]
fn rule_3_9_1_only_a_local_load_balancer_with_a_number_has_a_health_check_port() {
    let web = local("web", 1, PORTS);
    assert_eq!(lines(&web), ["web V4 30100 0"]);
    for (without, instead) in [
        (
            "externalTrafficPolicy: Local",
            "externalTrafficPolicy: Cluster",
        ),
        ("type: LoadBalancer", "type: NodePort"),
    ] {
        let (lines, problems) = compiled(&web.replace(without, instead));
        assert!(lines.is_empty(), "{instead}: {lines:?}");
        assert!(
            problems[0].contains("spec.healthCheckNodePort: is ignored"),
            "{problems:?}"
        );
    }
    assert!(lines(&web.replace("30100", "0")).is_empty());
}

#[test]
fn rule_3_9_3_distinct_ready_addresses_of_all_ports_count_and_others_do_not() {
    let web = local("web", 1, PORTS);
    let count = |endpoints: &[&str]| lines(&(web.clone() + &slice(endpoints)));
    // Each address stands behind two ports.
    assert_eq!(count(&["10.0.0.1", "10.0.0.2"]), ["web V4 30100 2"]);
    assert_eq!(
        count(&["10.0.0.1", "10.0.0.2 ready: false"]),
        ["web V4 30100 1"]
    );
    // Serving while it terminates: traffic still flows, and the probe says no.
    let terminating = "10.0.0.1 ready: false, serving: true, terminating: true";
    assert_eq!(count(&[terminating]), ["web V4 30100 0"]);
    // Of another node.
    let elsewhere = slice(&["10.0.0.1"]).replace("node-a", "node-b");
    assert_eq!(lines(&(web + &elsewhere)), ["web V4 30100 0"]);
}

#[test]
fn rule_3_9_8_each_family_counts_its_own_endpoints() {
    let both = local("web", 1, PORTS).replace(
        "clusterIP: 10.96.0.1",
        "clusterIPs: [10.96.0.1, 'fd00:96::1']",
    );
    let v4 = slice(&["10.0.0.1", "10.0.0.2"]);
    let v6 = slice(&["'fd00::1'"])
        .replace("IPv4", "IPv6")
        .replace("web-1", "web-6");
    assert_eq!(
        lines(&(both + &v4 + &v6)),
        ["web V4 30100 2", "web V6 30100 1"]
    );
}

#[test]
fn rule_3_9_10_without_node_ports_there_is_a_health_check_port_all_the_same() {
    let web = local(
        "web",
        1,
        &format!("allocateLoadBalancerNodePorts: false, {PORTS}"),
    );
    assert_eq!(lines(&web), ["web V4 30100 0"]);
}

#[test]
fn rule_3_9_11_and_1_6_9_a_number_that_an_older_service_has_is_refused_to_the_younger() {
    let node_port = "---\napiVersion: v1\nkind: Service\nmetadata: {name: other}\n\
        spec: {type: NodePort, clusterIP: 10.96.0.2, ports: [{port: 80, nodePort: 30100}]}\n";
    let web = local("web", 1, PORTS);
    let (lines, problems) = compiled(&format!("{node_port}{web}"));
    assert!(lines.is_empty(), "{lines:?}");
    assert_eq!(
        problems,
        [
            "a.yaml: document 2: Service default/web: spec.healthCheckNodePort: port 30100 belongs to the \
             older Service default/other (a.yaml: document 1); not programmed"
        ]
    );
    let (lines, problems) = compiled(&format!("{web}{node_port}"));
    assert_eq!(lines, ["web V4 30100 0"]);
    assert!(
        problems[0]
            .contains("Service default/other: spec.ports[0].nodePort: nodePort 30100 belongs"),
        "{problems:?}"
    );
    // Two that check their health at one port.
    let (lines, problems) = compiled(&(web + &local("twin", 3, PORTS)));
    assert_eq!(lines, ["web V4 30100 0"]);
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn rule_1_6_9_a_health_check_port_is_in_the_range_and_no_node_port_of_its_service() {
    for (ports, number, reason) in [
        (PORTS, "80", "80 is not in the NodePort range (30000-32767)"),
        (PORTS, "-1", "-1 is not in the NodePort range"),
        (
            "ports: [{port: 80, nodePort: 30100}]",
            "30100",
            "30100 is a nodePort of this Service",
        ),
    ] {
        let text = local("web", 1, ports).replace("30100, ", &format!("{number}, "));
        let (lines, problems) = compiled(&text);
        assert!(lines.is_empty(), "{lines:?}");
        assert!(
            problems[0].contains(&format!("spec.healthCheckNodePort: {reason}")),
            "{problems:?}"
        );
    }
}

/// Whether node-a is eligible when these Nodes are there.
fn eligible(nodes: &[&str]) -> bool {
    let text: String = nodes
        .iter()
        .map(|node| format!("---\napiVersion: v1\nkind: Node\n{node}\n"))
        .collect();
    let mut store = Store::new(crate::node::NODE_PORTS);
    let problems = store.replace_file("a.yaml", manifest::parse("a.yaml", &text));
    assert_eq!(problems, []);
    node_is_eligible(&store, "node-a")
}

#[test]
fn rule_3_10_4_a_node_that_is_missing_or_leaves_is_not_eligible() {
    assert!(eligible(&["metadata: {name: node-a}"]));
    assert!(eligible(&[
        "metadata: {name: node-a}",
        "metadata: {name: node-b}"
    ]));
    assert!(!eligible(&["metadata: {name: node-b}"]), "missing");
    assert!(
        !eligible(&["metadata: {name: node-a, deletionTimestamp: '2026-11-21T07:00:00Z'}"]),
        "being deleted"
    );
    let taint = |key: &str| {
        format!(
            "metadata: {{name: node-a}}\nspec: {{taints: [{{key: {key}, effect: NoSchedule}}]}}"
        )
    };
    assert!(!eligible(&[&taint("ToBeDeletedByClusterAutoscaler")]));
    for other in [
        "node.kubernetes.io/unschedulable",
        "node.kubernetes.io/not-ready",
    ] {
        assert!(eligible(&[&taint(other)]), "{other}");
    }
    assert!(eligible(&[]), "no cluster at all");
}
