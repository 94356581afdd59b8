use super::*;
use crate::{manifest, node::NODE_PORTS};

/// The one object in a manifest, checked.
pub(super) fn checked(text: &str) -> Result<Vec<String>, String> {
    let parsed = manifest::parse("a.yaml", text);
    assert_eq!(parsed.problems, [], "{text}");
    let lines = |problems: Vec<Problem>| problems.iter().map(line).collect();
    check(&parsed.objects[0], &NODE_PORTS)
        .map(lines)
        .map_err(|problem| line(&problem))
}

/// The problem without the place.
fn line(problem: &Problem) -> String {
    let line = problem.to_string();
    line.splitn(4, ": ").nth(3).unwrap().to_owned()
}

pub(super) fn service(spec: &str) -> Result<Vec<String>, String> {
    checked(&format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{{spec}}}\n"
    ))
}

pub(super) fn slice(rest: &str) -> Result<Vec<String>, String> {
    checked(&format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: web-1, \
         labels: {{kubernetes.io/service-name: web}}}}\n{rest}\n"
    ))
}

pub(super) fn refused(cases: &[(&str, &str)]) {
    for (spec, expected) in cases {
        assert_eq!(service(spec), Err((*expected).to_owned()), "{spec}");
    }
}

pub(super) const IP: &str = "clusterIP: 10.96.0.1";

#[test]
fn rule_1_5_3_ports_have_numbers_names_and_protocols_that_are_allowed() {
    let port = |ports: &str| service(&format!("{IP}, ports: [{ports}]"));
    for (ports, expected) in [
        ("{port: 0}", "spec.ports[0].port: 0 is not a port (1-65535)"),
        (
            "{port: 65536}",
            "spec.ports[0].port: 65536 is not a port (1-65535)",
        ),
        (
            "{port: -1}",
            "spec.ports[0].port: -1 is not a port (1-65535)",
        ),
        (
            "{port: 80, protocol: ICMP}",
            "spec.ports[0].protocol: \"ICMP\" is not a protocol (TCP, UDP or SCTP)",
        ),
        (
            "{port: 80}, {port: 81, name: b}",
            "spec.ports[0].name: is missing: a Service with several ports must name each",
        ),
        (
            "{port: 80, name: a}, {port: 81, name: a}",
            "spec.ports[1].name: \"a\" is the name of an earlier port",
        ),
        (
            "{port: 80, name: a}, {port: 80, name: b}",
            "spec.ports[1].port: TCP 80 is used by an earlier port",
        ),
        (
            "{port: 80, name: A_b}",
            "spec.ports[0].name: \"A_b\" is not a name (lower case letters, digits and '-')",
        ),
        (
            "",
            "spec.ports: is missing: a Service needs at least one port",
        ),
    ] {
        assert_eq!(port(ports), Err(expected.to_owned()), "{ports}");
    }
    assert_eq!(
        port("{port: 53, name: a}, {port: 53, name: b, protocol: UDP}"),
        Ok(vec![])
    );
    assert_eq!(port("{port: 9, protocol: SCTP}"), Ok(vec![]));
}

#[test]
fn rule_1_5_3_node_ports_need_a_type_that_has_them_and_the_range() {
    let node_port = |kind: &str, rest: &str| {
        service(&format!(
            "type: {kind}, {IP}, ports: [{{port: 80, name: a, {rest}]"
        ))
    };
    assert_eq!(
        node_port("ClusterIP", "nodePort: 30080}"),
        Err("spec.ports[0].nodePort: must not be set for type ClusterIP".to_owned())
    );
    assert_eq!(
        node_port("NodePort", "nodePort: 80}"),
        Err("spec.ports[0].nodePort: 80 is not in the NodePort range (30000-32767)".to_owned())
    );
    let second = "{port: 81, name: b, nodePort: 30080";
    assert_eq!(
        node_port("NodePort", &format!("nodePort: 30080}}, {second}}}")),
        Err("spec.ports[1].nodePort: TCP 30080 is used by an earlier port".to_owned())
    );
    // Rule 1.6.7: protocols of one Service may share a number.
    assert_eq!(
        node_port(
            "NodePort",
            &format!("nodePort: 30080}}, {second}, protocol: UDP}}")
        ),
        Ok(vec![])
    );
    assert_eq!(node_port("LoadBalancer", "nodePort: 0}"), Ok(vec![]));
}

#[test]
fn a_service_with_a_wrong_field_is_refused_with_its_path() {
    refused(&[
        (
            "type: Magic",
            "spec.type: \"Magic\" is not one of ClusterIP, NodePort, LoadBalancer, ExternalName",
        ),
        (
            "clusterIP: 10.96.0.300, ports: [{port: 80}]",
            "spec.clusterIP: \"10.96.0.300\" is not an IP address",
        ),
        (
            "clusterIP: 127.0.0.1, ports: [{port: 80}]",
            "spec.clusterIP: 127.0.0.1 is loopback and cannot be a Service's address",
        ),
        (
            "clusterIP: 10.96.0.1, clusterIPs: [10.96.0.2], ports: [{port: 80}]",
            "spec.clusterIPs[0]: \"10.96.0.2\" is not clusterIP, \"10.96.0.1\"; they must be the same",
        ),
        (
            "clusterIPs: [10.96.0.1, 10.96.0.2], ports: [{port: 80}]",
            "spec.clusterIPs[1]: 10.96.0.2 is a second address of its family",
        ),
        (
            "clusterIP: 10.96.0.1, ipFamilies: [IPv6], ports: [{port: 80}]",
            "spec.ipFamilies[0]: IPv6 is not the family of 10.96.0.1",
        ),
        (
            "type: NodePort, clusterIP: None, ports: [{port: 80}]",
            "spec.clusterIP: must not be None for type NodePort",
        ),
        (
            "clusterIP: 10.96.0.1, internalTrafficPolicy: Near, ports: [{port: 80}]",
            "spec.internalTrafficPolicy: \"Near\" is not one of Cluster, Local",
        ),
        (
            "sessionAffinity: Cookie",
            "spec.sessionAffinity: \"Cookie\" is not one of None, ClientIP",
        ),
        (
            "sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}",
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 86401 is not a time (1-86400 seconds)",
        ),
    ]);
}

#[test]
fn rule_1_1_4_headless_and_external_name_are_fine() {
    assert_eq!(service("clusterIP: None"), Ok(vec![]));
    assert_eq!(
        service("type: ExternalName, externalName: example.org"),
        Ok(vec![])
    );
}

#[test]
fn rule_1_1_9_an_unusable_external_ip_is_only_warned_about() {
    let spec = format!(
        "{IP}, externalIPs: [1.2.3, ' ', 127.0.0.1, 192.168.099.022], ports: [{{port: 80}}]"
    );
    assert_eq!(
        service(&spec),
        Ok(vec![
            "spec.externalIPs[0]: \"1.2.3\" is not an IP address; this address is skipped"
                .to_owned(),
            "spec.externalIPs[2]: 127.0.0.1 is loopback and cannot be a Service's address; \
             this address is skipped"
                .to_owned(),
        ])
    );
}

#[test]
fn rule_1_3_13_endpoints_at_special_addresses_are_refused() {
    for (kind, ip, what) in [
        ("IPv4", "127.0.0.1", "loopback"),
        ("IPv4", "0.0.0.0", "unspecified"),
        ("IPv4", "169.254.169.254", "link-local"),
        ("IPv4", "224.0.0.1", "link-local multicast"),
        ("IPv6", "::1", "loopback"),
        ("IPv6", "fe80::1", "link-local"),
        ("IPv6", "ff02::1", "link-local multicast"),
    ] {
        assert_eq!(
            slice(&format!(
                "addressType: {kind}\nendpoints: [{{addresses: ['{ip}']}}]"
            )),
            Err(format!(
                "endpoints[0].addresses[0]: {ip} is {what} and cannot be an endpoint"
            ))
        );
    }
}

#[test]
fn a_slice_with_a_wrong_field_is_refused_with_its_path() {
    for (rest, expected) in [
        ("endpoints: []", "addressType: is missing (IPv4 or IPv6)"),
        (
            "addressType: IPX",
            "addressType: \"IPX\" is not one of IPv4, IPv6, FQDN",
        ),
        (
            "addressType: IPv6\nendpoints: [{addresses: [10.0.0.1]}]",
            "endpoints[0].addresses[0]: 10.0.0.1 is not of addressType IPv6",
        ),
        (
            "addressType: IPv6\nendpoints: [{addresses: ['::ffff:127.0.0.1']}]",
            "endpoints[0].addresses[0]: 127.0.0.1 is not of addressType IPv6",
        ),
        (
            "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}, {addresses: [here]}]",
            "endpoints[1].addresses[0]: \"here\" is not an IP address",
        ),
        (
            "addressType: IPv4\nports: [{port: 70000}]",
            "ports[0].port: 70000 is not a port (1-65535)",
        ),
        (
            "addressType: IPv4\nports: [{port: 1, protocol: tcp}]",
            "ports[0].protocol: \"tcp\" is not a protocol (TCP, UDP or SCTP)",
        ),
        (
            "addressType: IPv4\nports: [{port: 1}, {port: 2}]",
            "ports[1].name: \"\" is the name of an earlier port",
        ),
    ] {
        assert_eq!(slice(rest), Err(expected.to_owned()), "{rest}");
    }
}

#[test]
fn rule_1_3_4_and_1_3_9_ports_without_number_and_endpoints_without_address_are_no_fault() {
    let rest =
        "addressType: IPv4\nports: [{name: a}, {name: b, port: 0}]\nendpoints: [{addresses: []}]";
    assert_eq!(slice(rest), Ok(vec![]));
    let fqdn = slice("addressType: FQDN\nendpoints: [{addresses: [example.org]}]").unwrap();
    assert_eq!(fqdn, ["addressType: FQDN endpoints are ignored"]);
}
