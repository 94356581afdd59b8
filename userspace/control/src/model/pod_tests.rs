//! Services whose endpoints are Pods (rules 1.4.x and 2.2.9), all the way to the model.

use super::tests::{model, model_on, node, service, slice, used};
use crate::{NodeFacts, Store, manifest, node::zone_of};

fn pod(name: &str, ip: &str, node: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: web}}}}\n\
         spec: {{nodeName: {node}}}\nstatus: {{podIP: {ip}}}\n"
    )
}

fn selecting(rest: &str) -> String {
    service(
        "web",
        &format!("clusterIP: 10.96.0.1, selector: {{app: web}}, {rest}ports: [{{port: 80}}]"),
    )
}

fn nodes() -> String {
    let node = |name: &str, zone: &str| {
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: \
             {{topology.kubernetes.io/zone: '{zone}'}}}}\n"
        )
    };
    node("node-a", "zone-a") + &node("node-b", "zone-a") + &node("node-c", "zone-c")
}

#[test]
fn rule_1_4_1_pods_become_endpoints_of_the_services_that_select_them() {
    let text = selecting("") + &pod("a", "10.0.0.1", "node-a") + &pod("b", "10.0.0.2", "node-b");
    let model = model(&text);
    assert_eq!(used(&model), ["1CL", "2C"]);
    assert_eq!(model.ports[0].endpoints[0].port, 80);
}

#[test]
fn rule_1_3_6_slices_of_other_authors_are_united_with_those_of_pods() {
    let by_hand = slice("web-1", "{port: 80}", &["10.0.0.9"]);
    let text = selecting("") + &pod("a", "10.0.0.1", "node-a") + &by_hand;
    assert_eq!(used(&model(&text)), ["1CL", "9C"]);
    let copied = by_hand.replace(
        "labels: {",
        "labels: {endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io, ",
    );
    let text = selecting("") + &pod("a", "10.0.0.1", "node-a") + &copied;
    assert_eq!(
        used(&model(&text)),
        ["1CL"],
        "Pods are newer than the cluster's slices of them"
    );
    assert_eq!(
        used(&model(&(selecting("") + &copied))),
        ["9C"],
        "unless there are none"
    );
}

#[test]
fn rule_2_2_3_and_2_2_8_and_2_2_9_a_pods_node_gives_its_zone_and_our_node_gives_ours() {
    let text = selecting("trafficDistribution: PreferSameZone, ")
        + &pod("a", "10.0.0.1", "node-b")
        + &pod("b", "10.0.0.2", "node-c");
    let on = |nodes: &str| {
        let text = text.clone() + nodes;
        let mut store = Store::new(node().node_port_range);
        store.replace_file("a", manifest::parse("a", &text));
        let zone = zone_of(&store, "node-a");
        used(&model_on(&text, &NodeFacts { zone, ..node() }))
    };
    assert_eq!(on(&nodes()), ["1C", "2"]);
    let moved = nodes().replace(
        "{name: node-a, labels: {topology.kubernetes.io/zone: 'zone-a'}}",
        "{name: node-a, labels: {topology.kubernetes.io/zone: 'zone-c'}}",
    );
    assert_eq!(on(&moved), ["1", "2C"], "the zone of this node has changed");
    assert_eq!(on(""), ["1C", "2C"], "nobody knows any zone");
    assert_eq!(
        on(&nodes().replace("zone-a'", "'")),
        ["1C", "2C"],
        "an empty label is none"
    );
}

#[test]
fn rule_2_2_10_prefer_same_node_falls_back_to_the_zone_and_then_to_all() {
    let with = |nodes_of_pods: [&str; 2]| {
        let pods = nodes_of_pods.into_iter().zip(1..);
        let pods =
            pods.map(|(node, host)| pod(&format!("p{host}"), &format!("10.0.0.{host}"), node));
        let spread = selecting("trafficDistribution: PreferSameNode, ");
        used(&model(&(spread + &pods.collect::<String>() + &nodes())))
    };
    assert_eq!(with(["node-a", "node-b"]), ["1CL", "2"]);
    assert_eq!(with(["node-b", "node-c"]), ["1C", "2"]);
    assert_eq!(with(["node-c", "node-c"]), ["1C", "2C"]);
}

#[test]
fn rule_2_1_7_and_2_1_8_unready_pods_are_used_if_published_and_ended_ones_never() {
    let pods = |phase: &str| {
        pod("a", "10.0.0.1", "node-a").replace(
            "status: {",
            &format!("status: {{phase: {phase}, conditions: [{{type: Ready, status: 'False'}}], "),
        )
    };
    let always = selecting("publishNotReadyAddresses: true, ");
    assert_eq!(used(&model(&(selecting("") + &pods("Running")))), ["1"]);
    assert_eq!(used(&model(&(always.clone() + &pods("Running")))), ["1CL"]);
    assert!(used(&model(&(always.clone() + &pods("Failed")))).is_empty());
    let leaving = pods("Running").replace(
        "metadata: {",
        "metadata: {deletionTimestamp: '2026-01-01T00:00:00Z', ",
    );
    let model = model(&(always + &leaving));
    assert_eq!(used(&model), ["1CL"]);
    assert_eq!(
        model.ports[0].endpoints[0].why,
        "terminating, but published as ready"
    );
}
