//! What a slice gives to its Service (rules 1.3.x).

use super::tests::{model, service, slice, used, used_with, web};
use crate::{Store, manifest, node::NodeFacts, problem::Severity};

#[test]
fn rule_1_3_1_only_the_first_address_counts_and_zone_hostname_and_target_do_not() {
    let rest = "zone: zone-b, hostname: h, targetRef: {kind: Pod, name: p}, \
        deprecatedTopology: {topology.kubernetes.io/zone: zone-b}";
    assert_eq!(used_with(&[&format!("10.0.0.1,10.0.0.2 {rest}")]), ["1C"]);
}

#[test]
fn rule_2_2_1_a_zone_is_no_hint_and_neither_is_what_the_service_says() {
    let text = service(
        "web, annotations: {service.kubernetes.io/topology-mode: Auto}",
        "clusterIP: 10.96.0.1, trafficDistribution: PreferClose, ports: [{port: 80}]",
    );
    let endpoints = ["10.0.0.1 zone: zone-a", "10.0.0.2 zone: zone-b"];
    let model = model(&(text + &slice("web-1", "{port: 1}", &endpoints)));
    assert_eq!(used(&model), ["1C", "2C"]);
}

#[test]
fn rule_1_3_2_a_slice_belongs_to_the_service_of_its_label_in_its_own_namespace() {
    let owned = slice("web-1", "{port: 1}", &["10.0.0.1"]);
    let label = "kubernetes.io/service-name: web";
    for (label_instead, expected) in [
        (label, 1),
        ("kubernetes.io/service-name: ''", 0),
        ("kubernetes.io/service-name: shop", 0),
        ("a: b", 0),
    ] {
        let text = web() + &owned.replace(label, label_instead);
        assert_eq!(
            model(&text).ports[0].endpoints.len(),
            expected,
            "{label_instead}"
        );
    }
    let elsewhere = owned.replace("{name: web-1", "{name: web-1, namespace: prod");
    assert!(used(&model(&(web() + &elsewhere))).is_empty());
}

#[test]
fn rule_1_3_3_slices_of_names_and_of_the_other_family_give_nothing() {
    let names = slice("web-1", "{port: 1}", &["a.example"]).replace("IPv4", "FQDN");
    let v6 = slice("web-2", "{port: 1}", &["'fd00::1'"]).replace("IPv4", "IPv6");
    assert!(used(&model(&(web() + &names + &v6))).is_empty());
}

#[test]
fn rule_1_3_4_names_and_protocols_that_are_not_given_mean_unnamed_and_tcp() {
    let text = web()
        + &slice(
            "web-1",
            "{port: 8080}, {name: b}, {name: c, port: 0}",
            &["10.0.0.1"],
        );
    assert_eq!(model(&text).ports[0].endpoints[0].port, 8080);
}

#[test]
fn rule_1_3_5_the_number_is_the_slices_and_never_target_port() {
    let text = service(
        "web",
        "clusterIP: 10.96.0.1, ports: [{port: 80, targetPort: 9999}]",
    ) + &slice("web-1", "{port: 8080}", &["10.0.0.1"]);
    assert_eq!(model(&text).ports[0].endpoints[0].port, 8080);
}

#[test]
fn rule_1_3_6_the_order_of_slices_and_endpoints_changes_nothing() {
    let one = slice("web-1", "{port: 8080}", &["10.0.0.9", "10.0.0.1"]);
    let two = slice("web-2", "{port: 8080}", &["10.0.0.1", "10.0.0.5"]);
    let there = model(&(web() + &one + &two));
    let back = model(
        &(web()
            + &slice("web-1", "{port: 8080}", &["10.0.0.5", "10.0.0.1"])
            + &slice("web-2", "{port: 8080}", &["10.0.0.1", "10.0.0.9"])),
    );
    assert_eq!(used(&there), ["1C", "5C", "9C"]);
    assert_eq!(there.ports[0].endpoints, back.ports[0].endpoints);
}

#[test]
fn rule_1_2_4_and_1_3_8_slices_may_come_first_and_take_only_their_own_endpoints_with_them() {
    let mut store = Store::new(NodeFacts::default().node_port_range);
    let mut put = |file: &str, text: &str| {
        let problems = store.replace_file(file, manifest::parse(file, text));
        assert!(
            problems.iter().all(|it| it.severity < Severity::Error),
            "{problems:?}"
        );
        let model = super::build(&store, &NodeFacts::default());
        (!model.ports.is_empty()).then(|| used(&model))
    };
    let one = slice("web-1", "{port: 1}", &["10.0.0.1", "10.0.0.2"]);
    assert_eq!(
        put("one", &one),
        None,
        "endpoints without a Service are kept"
    );
    put(
        "two",
        &slice("web-2", "{port: 1}", &["10.0.0.2", "10.0.0.3"]),
    );
    let all = Some(["1C", "2C", "3C"].map(str::to_owned).to_vec());
    assert_eq!(put("service", &web()), all);
    let rest = Some(["2C", "3C"].map(str::to_owned).to_vec());
    assert_eq!(put("one", ""), rest);
}

#[test]
fn rule_1_3_9_an_endpoint_without_addresses_is_skipped() {
    let text = slice("web-1", "{port: 1}", &["10.0.0.1"]).replace("[10.0.0.1]", "[]");
    assert!(used(&model(&(web() + &text))).is_empty());
}

#[test]
fn rule_1_3_14_endpoints_outside_the_cluster_work_like_any_other() {
    assert_eq!(
        used_with(&["198.51.100.7", "10.0.0.1 nodeName: node-a"]),
        ["1CL", "7C"]
    );
}

#[test]
fn rule_2_3_10_local_is_what_the_node_name_says_whatever_the_address() {
    // The node's own address, named as another node's; and a foreign address that is here.
    let endpoints = [
        "192.168.1.2 nodeName: node-b",
        "203.0.113.9 nodeName: node-a",
    ];
    let node = NodeFacts {
        addresses: vec!["192.168.1.2".parse().unwrap()],
        ..super::tests::node()
    };
    let text = web() + &slice("web-1", "{port: 1}", &endpoints);
    assert_eq!(used(&super::tests::model_on(&text, &node)), ["2C", "9CL"]);
}
