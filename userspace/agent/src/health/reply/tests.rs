use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tidegate_abi::Family;

use super::*;
use crate::health::state::tests::{FakeClock, synced};

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers()[name].to_str().unwrap()
}

fn body(reply: Reply) -> String {
    // The body is in memory: nothing is waited for.
    let collected = futures::executor::block_on(reply.into_body().collect()).unwrap();
    String::from_utf8(collected.to_bytes().to_vec()).unwrap()
}

fn parsed(reply: Reply) -> Value {
    serde_json::from_str(&body(reply)).unwrap()
}

fn web(local_ready: usize) -> Subject {
    Subject {
        namespace: "shop".into(),
        name: "web".into(),
        local_ready,
    }
}

#[test]
fn rule_3_9_2_a_service_is_ok_with_endpoints_and_a_healthy_proxy_only() {
    for (local_ready, proxy_healthy, status) in [
        (0, true, 503),
        (1, true, 200),
        (7, true, 200),
        (1, false, 503),
        (0, false, 503),
    ] {
        let reply = service(&web(local_ready), proxy_healthy);
        assert_eq!(reply.status(), status, "{local_ready} {proxy_healthy}");
    }
}

#[test]
fn rule_3_9_4_the_headers_carry_type_nosniff_and_weight() {
    for local_ready in [0, 3] {
        let reply = service(&web(local_ready), true);
        assert_eq!(header(&reply, "content-type"), "application/json");
        assert_eq!(header(&reply, "x-content-type-options"), "nosniff");
        let weight = header(&reply, "X-Load-Balancing-Endpoint-Weight");
        assert_eq!(weight, local_ready.to_string());
    }
}

#[test]
fn rule_3_9_5_the_body_is_that_of_kube_proxy_to_the_byte() {
    let expected = "{\n\t\"service\": {\n\t\t\"namespace\": \"shop\",\n\t\t\"name\": \"web\"\n\t},\n\
        \t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}";
    assert_eq!(body(service(&web(2), true)), expected);
}

#[test]
fn rule_3_10_1_and_3_10_2_healthz_tells_the_node_and_livez_does_not() {
    let (_clock, health) = FakeClock::with_health();
    synced(&health);
    let family = json!({"lastUpdated": "2026-11-21T07:00:00Z", "healthy": true});
    let mut expected = json!({
        "lastUpdated": "2026-11-21T07:00:00Z",
        "currentTime": "2026-11-21T07:00:00Z",
        "healthy": true,
        "status": {"IPv4": family, "IPv6": family},
    });
    let reply = livez(&health.report());
    assert_eq!(reply.status(), 200);
    assert_eq!(parsed(reply), expected);
    expected["nodeEligible"] = json!(true);
    let reply = healthz(&health.report());
    assert_eq!(reply.status(), 200);
    assert_eq!(header(&reply, "content-type"), "application/json");
    assert_eq!(header(&reply, "x-content-type-options"), "nosniff");
    assert_eq!(parsed(reply), expected);
}

#[test]
fn rule_3_10_3_a_late_family_is_503_on_both_paths_and_named() {
    let (clock, health) = FakeClock::with_health();
    synced(&health);
    health.queued();
    clock.pass(60);
    health.updated(Family::V4);
    for reply in [healthz(&health.report()), livez(&health.report())] {
        assert_eq!(reply.status(), 503);
        let body = parsed(reply);
        assert_eq!(body["healthy"], false);
        assert_eq!(body["status"]["IPv4"]["healthy"], true);
        assert_eq!(body["status"]["IPv6"]["healthy"], false);
    }
}

#[test]
fn rule_3_10_4_a_node_that_leaves_is_503_at_healthz_and_alive() {
    let (_clock, health) = FakeClock::with_health();
    synced(&health);
    health.set_node_eligible(false);
    let reply = healthz(&health.report());
    assert_eq!(reply.status(), 503);
    let body = parsed(reply);
    assert_eq!(
        (&body["nodeEligible"], &body["healthy"]),
        (&json!(false), &json!(true))
    );
    let reply = livez(&health.report());
    assert_eq!(reply.status(), 200);
    assert_eq!(parsed(reply).get("nodeEligible"), None);
    health.set_node_eligible(true);
    assert_eq!(healthz(&health.report()).status(), 200);
}

#[test]
fn rule_3_10_5_a_good_answer_is_up_to_date_and_a_bad_one_tells_the_last_sync() {
    let (clock, health) = FakeClock::with_health();
    assert_eq!(livez(&health.report()).status(), 200);
    synced(&health);
    clock.pass(40);
    let body = parsed(healthz(&health.report()));
    assert_eq!(body["lastUpdated"], "2026-11-21T07:00:40Z");
    assert_eq!(
        body["status"]["IPv4"]["lastUpdated"],
        "2026-11-21T07:00:00Z"
    );
    health.queued();
    clock.pass(60);
    for reply in [healthz(&health.report()), livez(&health.report())] {
        let body = parsed(reply);
        assert_eq!(body["lastUpdated"], "2026-11-21T07:00:00Z");
        assert_eq!(body["currentTime"], "2026-11-21T07:01:40Z");
    }
}

#[test]
fn a_proxy_that_never_synced_says_so_as_go_does() {
    let (clock, health) = FakeClock::with_health();
    health.queued();
    clock.pass(60);
    let body = parsed(livez(&health.report()));
    assert_eq!(body["lastUpdated"], "0001-01-01T00:00:00Z");
    assert_eq!(
        body["status"]["IPv6"]["lastUpdated"],
        "0001-01-01T00:00:00Z"
    );
}
