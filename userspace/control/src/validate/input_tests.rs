//! What slices and Pods may say (rules 1.3.12, 1.3.13 and 1.4.5).

use std::fmt::Write as _;

use super::tests::{IP, checked, refused, service, slice};

#[test]
fn rule_1_3_12_a_slice_has_limits() {
    let repeat = |item: &str, times: usize| vec![item; times].join(", ");
    let addresses = |times| {
        let list = repeat("10.0.0.1", times);
        format!("addressType: IPv4\nendpoints: [{{addresses: [{list}]}}]")
    };
    let endpoints = |times| {
        let list = repeat("{addresses: [10.0.0.1]}", times);
        format!("addressType: IPv4\nendpoints: [{list}]")
    };
    let hints = |kind: &str, times| {
        let list = repeat("{name: a}", times);
        format!(
            "addressType: IPv4\nendpoints: [{{addresses: [10.0.0.1], hints: {{{kind}: [{list}]}}}}]"
        )
    };
    let ports = |times: usize| {
        let mut text = "addressType: IPv4\nports:\n".to_owned();
        for number in 0..times {
            writeln!(text, "- {{name: p{number}, port: 1}}").unwrap();
        }
        text
    };
    for (within, beyond, line) in [
        (
            addresses(100),
            addresses(101),
            "endpoints[0].addresses: has 101 entries; 100 at most",
        ),
        (
            endpoints(1000),
            endpoints(1001),
            "endpoints: has 1001 entries; 1000 at most",
        ),
        (
            ports(20_000),
            ports(20_001),
            "ports: has 20001 entries; 20000 at most",
        ),
        (
            hints("forZones", 8),
            hints("forZones", 9),
            "endpoints[0].hints.forZones: has 9 entries; 8 at most",
        ),
        (
            hints("forNodes", 8),
            hints("forNodes", 9),
            "endpoints[0].hints.forNodes: has 9 entries; 8 at most",
        ),
    ] {
        assert_eq!(slice(&within), Ok(vec![]));
        assert_eq!(slice(&beyond), Err(format!("{line} are allowed")));
    }
}

#[test]
fn rule_1_4_5_target_port_is_a_number_or_the_name_of_a_port() {
    let with = |target: &str| format!("{IP}, ports: [{{port: 80, targetPort: {target}}}]");
    for target in ["8080", "0", "''", "http", "a-1"] {
        assert_eq!(service(&with(target)), Ok(vec![]), "{target}");
    }
    refused(&[
        (
            &with("65536"),
            "spec.ports[0].targetPort: 65536 is not a port (1-65535)",
        ),
        (
            &with("-1"),
            "spec.ports[0].targetPort: -1 is not a port (1-65535)",
        ),
    ]);
    for target in ["'8080'", "Http", "a--b", "'-a'", "a234567890123456"] {
        let line = service(&with(target)).unwrap_err();
        assert!(
            line.contains("is not the name of a port"),
            "{target}: {line}"
        );
    }
}

fn pod(rest: &str) -> Result<Vec<String>, String> {
    checked(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\n{rest}\n"
    ))
}

#[test]
fn rule_1_3_13_a_pod_at_a_special_address_is_refused() {
    for (status, expected) in [
        (
            "podIP: 127.0.0.1",
            "status.podIP: 127.0.0.1 is loopback and cannot be an endpoint",
        ),
        (
            "podIPs: [{ip: 10.0.0.1}, {ip: '::1'}]",
            "status.podIPs[1].ip: ::1 is loopback and cannot be an endpoint",
        ),
        (
            "podIP: 169.254.169.254",
            "status.podIP: 169.254.169.254 is link-local and cannot be an endpoint",
        ),
        ("podIP: here", "status.podIP: \"here\" is not an IP address"),
    ] {
        assert_eq!(
            pod(&format!("status: {{{status}}}")),
            Err(expected.to_owned())
        );
    }
    assert_eq!(pod(""), Ok(vec![]), "one that does not run yet");
    assert_eq!(
        pod("status: {podIP: 010.0.0.01, podIPs: [{ip: ''}]}"),
        Ok(vec![])
    );
}

#[test]
fn a_pod_with_a_wrong_port_is_refused_with_its_path() {
    for (spec, expected) in [
        (
            "containers: [{ports: [{containerPort: 80}, {containerPort: 0}]}]",
            "spec.containers[0].ports[1].containerPort: 0 is not a port (1-65535)",
        ),
        (
            "containers: [], initContainers: [{ports: [{containerPort: 80, protocol: tcp}]}]",
            "spec.initContainers[0].ports[0].protocol: \"tcp\" is not a protocol \
             (TCP, UDP or SCTP)",
        ),
    ] {
        assert_eq!(pod(&format!("spec: {{{spec}}}")), Err(expected.to_owned()));
    }
}
