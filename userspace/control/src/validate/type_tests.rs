//! What a Service may say, depending on its type (rules 1.5.x and 1.7.5).

use super::tests::{IP, refused, service};

const PORTS: &str = "ports: [{port: 80}]";

fn warned(spec: &str, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|&it| it.to_owned()).collect();
    assert_eq!(service(spec), Ok(expected), "{spec}");
}

#[test]
fn rule_1_5_4_node_ports_need_an_address_and_names_need_a_name() {
    for kind in ["NodePort", "LoadBalancer"] {
        refused(&[(
            &format!("type: {kind}, clusterIP: None, {PORTS}"),
            &format!("spec.clusterIP: must not be None for type {kind}"),
        )]);
    }
    refused(&[
        ("type: ExternalName", "spec.externalName: is missing"),
        (
            "type: ExternalName, externalName: A.example",
            "spec.externalName: \"A.example\" is not a name in DNS \
             (lower case letters, digits, '-', '.')",
        ),
        (
            "type: ExternalName, externalName: a..",
            "spec.externalName: \"a..\" is not a name in DNS \
             (lower case letters, digits, '-', '.')",
        ),
    ]);
    warned("type: ExternalName, externalName: a.example.", &[]);
}

#[test]
fn rule_1_1_5_and_1_5_7_what_is_left_over_of_an_address_does_not_keep_a_name_out() {
    warned(
        "type: ExternalName, externalName: a, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], \
         ipFamilies: [IPv4], ipFamilyPolicy: SingleStack",
        &[
            "spec.clusterIP: is ignored: type ExternalName has none",
            "spec.clusterIPs: is ignored: type ExternalName has none",
            "spec.ipFamilies: is ignored: type ExternalName has none",
            "spec.ipFamilyPolicy: is ignored: type ExternalName has none",
        ],
    );
}

#[test]
fn rule_1_5_5_fields_of_load_balancers_are_for_load_balancers() {
    let fields = "loadBalancerClass: a.b/c, allocateLoadBalancerNodePorts: false";
    warned(&format!("type: LoadBalancer, {IP}, {fields}, {PORTS}"), &[]);
    warned(
        &format!("type: NodePort, {IP}, {fields}, {PORTS}"),
        &[
            "spec.loadBalancerClass: is ignored: only type LoadBalancer has one",
            "spec.allocateLoadBalancerNodePorts: is ignored: only type LoadBalancer has one",
        ],
    );
    let ranges = "loadBalancerSourceRanges: [10.0.0.0/8]";
    warned(&format!("type: LoadBalancer, {IP}, {ranges}, {PORTS}"), &[]);
    refused(&[(
        &format!("type: NodePort, {IP}, {ranges}, {PORTS}"),
        "spec.loadBalancerSourceRanges: must be set for type LoadBalancer only",
    )]);
}

#[test]
fn rule_1_5_2_and_2_3_3_a_policy_for_addresses_that_are_not_there_is_ignored() {
    let local = "externalTrafficPolicy: Local";
    warned(
        &format!("{IP}, {local}, {PORTS}"),
        &["spec.externalTrafficPolicy: is ignored: the Service has no address outside the cluster"],
    );
    warned(
        &format!("{IP}, {local}, externalIPs: [192.0.2.1], {PORTS}"),
        &[],
    );
    refused(&[(
        &format!("type: NodePort, {IP}, externalTrafficPolicy: Near, {PORTS}"),
        "spec.externalTrafficPolicy: \"Near\" is not one of Cluster, Local",
    )]);
}

#[test]
fn rule_1_5_6_traffic_distribution_has_three_values() {
    for value in ["PreferClose", "PreferSameZone", "PreferSameNode"] {
        warned(&format!("{IP}, trafficDistribution: {value}, {PORTS}"), &[]);
    }
    refused(&[(
        &format!("{IP}, trafficDistribution: Near, {PORTS}"),
        "spec.trafficDistribution: \"Near\" is not one of PreferClose, PreferSameZone, \
         PreferSameNode",
    )]);
}

#[test]
fn rule_1_7_2_and_1_7_5_families_are_those_of_the_addresses_and_of_the_policy() {
    let two = "clusterIPs: [10.96.0.1, 'fd00::1']";
    warned(
        &format!("{two}, ipFamilyPolicy: RequireDualStack, {PORTS}"),
        &[],
    );
    warned(&format!("{two}, {PORTS}"), &[]);
    warned("ports: [{port: 80}]", &[]);
    warned(
        "clusterIP: None, ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]",
        &[],
    );
    refused(&[
        (
            "clusterIP: None, ipFamilies: [IPv5]",
            "spec.ipFamilies[0]: \"IPv5\" is not one of IPv4, IPv6",
        ),
        (
            &format!("{two}, ipFamilyPolicy: Triple, {PORTS}"),
            "spec.ipFamilyPolicy: \"Triple\" is not one of SingleStack, PreferDualStack, \
             RequireDualStack",
        ),
        (
            &format!("{IP}, ipFamilies: [IPv4, IPv4], {PORTS}"),
            "spec.ipFamilies[1]: IPv4 is listed twice",
        ),
        (
            &format!("{two}, ipFamilies: [IPv6, IPv4], {PORTS}"),
            "spec.ipFamilies[0]: IPv6 is not the family of 10.96.0.1",
        ),
    ]);
}

#[test]
fn rule_1_1_9_and_3_6_9_a_guard_that_nobody_can_read_is_no_open_door() {
    let with = |list: &str| {
        format!("type: LoadBalancer, {IP}, loadBalancerSourceRanges: [{list}], {PORTS}")
    };
    warned(&with("' ', ''"), &[]);
    warned(
        &with("10.0.0.0/8, 10.0.0.1, ' '"),
        &[
            "spec.loadBalancerSourceRanges[1]: \"10.0.0.1\" is not a block such as 10.0.0.0/8; \
           it is skipped",
        ],
    );
    refused(&[(
        &with("10.0.0.0/33"),
        "spec.loadBalancerSourceRanges: holds no block that can be read (such as 10.0.0.0/8): \
         it would keep nobody out",
    )]);
}

#[test]
fn annotations_with_other_values_are_warned_about() {
    let text = |annotation: &str| {
        super::tests::checked(&format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web, annotations: {{{annotation}}}}}\n\
             spec: {{{IP}, {PORTS}}}\n"
        ))
    };
    assert_eq!(
        text("tidegate.io/source-ranges: all, tidegate.io/ping: 'true'"),
        Ok(vec![])
    );
    assert_eq!(
        text("tidegate.io/source-ranges: most, tidegate.io/ping: 'no'").unwrap(),
        [
            "metadata.annotations[tidegate.io/source-ranges]: \"most\" is not one of all; it is ignored",
            "metadata.annotations[tidegate.io/ping]: \"no\" is not one of true, false; it is ignored",
        ]
    );
}
