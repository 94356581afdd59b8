//! What the loop notes for the metrics, and whose counters begin at zero.

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::metrics::tests::sample;

fn count(agent: &Reconciler<Fake>, name: &str) -> f64 {
    sample(agent.vitals(), name)
}

#[test]
fn a_service_port_begins_at_zero_when_it_gets_its_id_and_goes_on_after_a_restart() {
    let kernel = Fake::default();
    let mut first = agent(&kernel);
    first.take_batch(batch(WEB));
    first.converge().unwrap();
    let id = kernel.state().v4.frontends[&frontend([10, 96, 0, 10], 80)].service;
    assert_eq!(kernel.state().cleared, [id]);
    first.take_batch(batch(&WEB.replace("10.244.1.7", "10.244.1.8")));
    first.converge().unwrap();
    drop(first);
    let mut second = agent(&kernel);
    second.take_batch(batch(WEB));
    second.converge().unwrap();
    assert_eq!(kernel.state().cleared, [id], "nobody new");
    let other = WEB
        .replace("web", "other")
        .replace("10.96.0.10", "10.96.0.11")
        .replace("30008", "30009");
    second.take_batch(batch(&other));
    second.converge().unwrap();
    let other = kernel.state().v4.frontends[&frontend([10, 96, 0, 11], 80)].service;
    assert_eq!(kernel.state().cleared, [id, other]);
}

#[test]
fn changes_are_pending_until_the_maps_have_them() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    agent.take_batch(batch(WEB));
    let [services, slices] =
        ["service", "endpoint"].map(|kind| format!("kubeproxy_sync_proxy_rules_{kind}_changes"));
    assert_eq!(count(&agent, &format!("{services}_pending")), 1.0);
    kernel.state().failures = 1;
    let error = agent.converge().unwrap_err();
    agent.start_over(&error);
    assert_eq!(count(&agent, &format!("{slices}_pending")), 1.0);
    assert_eq!(count(&agent, "tidegate_sync_failures_total"), 1.0);
    assert_eq!(count(&agent, "tidegate_event_to_map_seconds_count"), 0.0);
    agent.converge().unwrap();
    assert_eq!(count(&agent, &format!("{slices}_pending")), 0.0);
    assert_eq!(count(&agent, "tidegate_event_to_map_seconds_count"), 1.0);
    assert_eq!(count(&agent, "tidegate_sync_duration_seconds_count"), 1.0);
    // The same once more is no change, and yet it had to be looked at.
    agent.take_batch(batch(WEB));
    agent.converge().unwrap();
    assert_eq!(count(&agent, &format!("{services}_total")), 1.0);
    assert_eq!(count(&agent, &format!("{slices}_total")), 1.0);
    agent.take_batch(Batch {
        changes: vec![Change::Gone {
            file: "web.yaml".into(),
        }],
        ..Batch::default()
    });
    assert_eq!(count(&agent, &format!("{services}_total")), 2.0);
    assert_eq!(count(&agent, &format!("{slices}_pending")), 1.0);
}

/// The slice with a trigger so many seconds from now.
fn triggered(seconds: i64, endpoint: &str) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_nanos();
    let time = i128::try_from(now).unwrap() + i128::from(seconds) * 1_000_000_000;
    let time = Timestamp::from_nanosecond(time).unwrap();
    let annotation = format!(
        "name: web-1, annotations: {{endpoints.kubernetes.io/last-change-trigger-time: '{time}'}}"
    );
    WEB.replace("name: web-1", &annotation)
        .replace("10.244.1.7", endpoint)
}

#[test]
fn rule_3_10_8_a_trigger_is_measured_once_and_only_if_it_is_younger_than_the_agent() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    let mut measured = |text: &str| {
        agent.take_batch(batch(text));
        agent.converge().unwrap();
        let of = "kubeproxy_network_programming_duration_seconds";
        let labels = "{ip_family=\"IPv4\"}";
        (
            count(&agent, &format!("{of}_count{labels}")),
            count(&agent, &format!("{of}_sum{labels}")),
        )
    };
    assert_eq!(
        measured(&triggered(-60, "10.244.1.7")).0,
        0.0,
        "before the agent"
    );
    // Another machine's clock may be ahead: that is no time at all, not a negative one.
    let once = triggered(5, "10.244.1.8");
    assert_eq!(measured(&once), (1.0, 0.0));
    assert_eq!(
        measured(&once.replace("10.244.1.8", "10.244.1.9")),
        (1.0, 0.0),
        "the same trigger"
    );
    assert_eq!(measured(&triggered(6, "10.244.1.7")).0, 2.0);
    assert_eq!(
        measured(&WEB.replace(
            "name: web-1",
            "name: web-1, annotations: {endpoints.kubernetes.io/last-change-trigger-time: soon}"
        ))
        .0,
        2.0
    );
}

#[test]
fn rule_2_4_14_service_ports_whose_endpoints_are_all_elsewhere_are_counted_by_policy() {
    let kernel = Fake::default();
    let mut agent = agent(&kernel);
    let mut counted = |spec: &str, endpoint: &str| {
        let text = WEB
            .replace("type: NodePort", &format!("type: NodePort, {spec}"))
            .replace(
                "{addresses: [10.244.0.7]}, {addresses: [10.244.1.7]}",
                endpoint,
            );
        agent.take_batch(batch(&text));
        agent.converge().unwrap();
        ["internal", "external"].map(|policy| {
            let name = "kubeproxy_sync_proxy_rules_no_local_endpoints_total";
            count(
                &agent,
                &format!("{name}{{traffic_policy=\"{policy}\",ip_family=\"IPv4\"}}"),
            )
        })
    };
    let there = "{addresses: [10.244.1.7], nodeName: b}";
    let here = "{addresses: [10.244.1.8], nodeName: a}";
    let ending = "{addresses: [10.244.1.8], nodeName: a, conditions: {ready: false, serving: true, terminating: true}}";
    let unready = "{addresses: [10.244.1.7], nodeName: b, conditions: {ready: false, serving: false, terminating: false}}";
    let (internal, external) = (
        "internalTrafficPolicy: Local",
        "externalTrafficPolicy: Local",
    );
    let both = format!("{internal}, {external}");
    assert_eq!(counted(internal, there), [1.0, 0.0]);
    assert_eq!(counted(external, there), [0.0, 1.0]);
    assert_eq!(counted(&both, there), [1.0, 1.0]);
    assert_eq!(counted(&both, &format!("{there}, {here}")), [0.0, 0.0]);
    assert_eq!(counted(&both, &format!("{there}, {ending}")), [0.0, 0.0]);
    assert_eq!(counted(&both, unready), [0.0, 0.0]);
    assert_eq!(counted(&both, ""), [0.0, 0.0]);
    assert_eq!(counted("internalTrafficPolicy: Cluster", there), [0.0, 0.0]);
}
