//! Which endpoints are used (rules 2.1.x and 2.2.x).

use super::tests::{HERE, THERE, at, model, slice, used_with, web};

#[test]
fn rule_2_1_1_and_2_1_2_and_2_1_3_and_2_1_4_and_2_1_5_and_2_1_7_each_scope_for_itself() {
    let ready = |ip, place| at(ip, place, "ready: true");
    let last = |ip, place| at(ip, place, "ready: false, serving: true, terminating: true");
    let slow = |ip, place| at(ip, place, "ready: false, serving: true, terminating: false");
    let dead = |ip, place| at(ip, place, "ready: false, serving: false, terminating: true");
    let cases: [(&str, Vec<String>, &[&str]); 6] = [
        (
            "2.1.1",
            vec![ready("10.0.0.1", HERE), last("10.0.0.2", HERE)],
            &["1CL", "2"],
        ),
        (
            "2.1.2",
            vec![last("10.0.0.1", HERE), slow("10.0.0.2", HERE)],
            &["1CL", "2"],
        ),
        ("2.1.3", vec![slow("10.0.0.1", HERE)], &["1"]),
        ("2.1.4", vec![dead("10.0.0.1", HERE)], &["1"]),
        (
            "2.1.5",
            vec![last("10.0.0.1", HERE), ready("10.0.0.2", THERE)],
            &["1L", "2C"],
        ),
        (
            "2.1.7",
            vec![at(
                "10.0.0.1",
                HERE,
                "ready: true, serving: false, terminating: true",
            )],
            &["1CL"],
        ),
    ];
    for (rule, endpoints, expected) in cases {
        let endpoints: Vec<_> = endpoints.iter().map(String::as_str).collect();
        assert_eq!(used_with(&endpoints), expected, "rule {rule}");
    }
}

#[test]
fn rule_2_2_2_and_2_2_3_and_2_2_4_and_2_2_5_and_2_2_6_hints_narrow_the_cluster_scope() {
    let zone = |ip: &str, zones: &str| format!("{ip} {HERE}, hints: {{forZones: [{zones}]}}");
    let both = |ip: &str, node: &str, zones: &str| {
        format!("{ip} hints: {{forNodes: [{{name: {node}}}], forZones: [{zones}]}}")
    };
    let (a, b) = ("{name: zone-a}", "{name: zone-b}");
    let unready = format!("10.0.0.3 conditions: {{ready: false}}, hints: {{forZones: [{a}]}}");
    let cases: [(&str, Vec<String>, &[&str]); 7] = [
        (
            "2.2.3, 2.2.7",
            vec![zone("10.0.0.1", a), zone("10.0.0.2", b)],
            &["1CL", "2L"],
        ),
        (
            "2.2.4",
            vec![zone("10.0.0.1", a), "10.0.0.2".to_owned()],
            &["1CL", "2C"],
        ),
        ("2.2.4", vec![zone("10.0.0.1", b)], &["1CL"]),
        ("2.2.5", vec![zone("10.0.0.1", b), unready], &["1CL", "3"]),
        (
            "2.2.6",
            vec![zone("10.0.0.1", &format!("{b}, {a}")), zone("10.0.0.2", b)],
            &["1CL", "2L"],
        ),
        (
            "2.2.2",
            vec![both("10.0.0.1", "node-a", b), both("10.0.0.2", "node-b", a)],
            &["1C", "2"],
        ),
        (
            "2.2.10",
            vec![both("10.0.0.1", "node-c", a), both("10.0.0.2", "node-b", b)],
            &["1C", "2"],
        ),
    ];
    for (rule, endpoints, expected) in cases {
        let endpoints: Vec<_> = endpoints.iter().map(String::as_str).collect();
        assert_eq!(used_with(&endpoints), expected, "rule {rule}");
    }
}

#[test]
fn rule_2_1_6_the_fallback_ignores_hints() {
    let last = |ip: &str, zone: &str| {
        let conditions = "conditions: {ready: false, serving: true, terminating: true}";
        format!("{ip} {conditions}, hints: {{forZones: [{{name: {zone}}}]}}")
    };
    let (one, two) = (last("10.0.0.1", "zone-a"), last("10.0.0.2", "zone-b"));
    assert_eq!(used_with(&[&one, &two]), ["1C", "2C"]);
}

#[test]
fn every_endpoint_says_why() {
    let model = model(
        &(web()
            + &slice(
                "web-1",
                "{port: 8080}",
                &[
                    "10.0.0.1",
                    "10.0.0.2 conditions: {ready: false}",
                    "10.0.0.3 conditions: {ready: false, terminating: true}",
                    "10.0.0.4 conditions: {ready: true, terminating: true}",
                ],
            )),
    );
    let why: Vec<_> = model.ports[0].endpoints.iter().map(|it| it.why).collect();
    assert_eq!(
        why,
        [
            "ready",
            "not ready",
            "terminating, and others are ready",
            "terminating, but published as ready"
        ]
    );
}
