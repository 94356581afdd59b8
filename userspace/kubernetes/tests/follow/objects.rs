//! Objects: odd ones, heartbeats, and what is left of them.

use std::time::Duration;

use serde_json::json;
use tidegate_control::Store;

use crate::stage::{OWN_NODE, Stage, WEB, node, service, slice};

#[tokio::test]
async fn one_object_that_cannot_be_read_does_not_hurt_the_others() {
    let stage = Stage::new();
    let mut odd = service("odd");
    odd["spec"]["ports"] = json!("none");
    stage.server.put(odd);
    let mut told = stage.follow();
    told.until("web is there", |it| it.has(WEB)).await;
    let odd = &told.held["kubernetes: Service default/odd"];
    assert!(odd.objects.is_empty() && odd.refused.len() == 1, "{odd:?}");
    let line = odd.problems[0].to_string();
    assert!(
        line.starts_with("kubernetes: Service default/odd: "),
        "{line}"
    );
}

#[tokio::test]
async fn what_the_server_has_taken_is_not_refused_for_its_style() {
    let stage = Stage::new();
    let mut odd = service("odd");
    odd["spec"]["type"] = json!("NodePort");
    odd["spec"]["ports"][0]["nodePort"] = json!(20_000);
    odd["spec"]["trafficDistribution"] = json!("PreferSomethingNew");
    odd["spec"]["aFieldOfTheFuture"] = json!({"a": 1});
    stage.server.put(odd);
    let mut bad = slice("odd", &["127.0.0.1"]);
    bad["ports"][0]["name"] = json!("Not_A_Label");
    stage.server.put(bad);
    let mut told = stage.follow();
    told.until_equal(&stage.server).await;
    let mut store = Store::new(30_000..=32_767);
    let mut stored = |file: &str| {
        let problems = store.replace_file(file, told.held[file].clone());
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let service = stored("kubernetes: Service default/odd");
    assert!(
        service.iter().all(|it| !it.contains("Error")),
        "{service:?}"
    );
    // Where nobody may be led, nobody is led (rule 1.3.13).
    let slice = stored("kubernetes: EndpointSlice default/odd-1");
    assert_eq!(slice.len(), 1, "{slice:?}");
    let kinds = [
        tidegate_control::Kind::Service,
        tidegate_control::Kind::EndpointSlice,
    ];
    assert_eq!(kinds.map(|kind| store.objects(kind).count()), [1, 0]);
}

#[tokio::test]
async fn heartbeats_of_the_node_are_no_news() {
    let stage = Stage::new();
    let mut told = stage.settled().await;
    told.until("the node is there", |it| it.has(OWN_NODE)).await;
    for number in 0..5 {
        let mut beat = node(&json!({}));
        beat["status"] = json!({"conditions": [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": format!("2026-01-01T00:00:0{number}Z")},
        ]});
        stage.server.put(beat);
    }
    stage
        .server
        .put(node(&json!({"topology.kubernetes.io/zone": "a"})));
    let zone = |told: &crate::stage::Told| {
        let node = told.held[OWN_NODE].objects.first()?;
        node.label("topology.kubernetes.io/zone").map(str::to_owned)
    };
    told.until("the zone is told", |it| zone(it).is_some())
        .await;
    // Its first condition is news, the same one again is not.
    assert!(told.times[OWN_NODE] <= 3, "{}", told.times[OWN_NODE]);
}

#[tokio::test]
async fn a_node_that_is_not_there_is_told() {
    let stage = Stage::new();
    stage
        .server
        .delete(tidegate_apiserver::Kind::Node, "", "node-a");
    let mut told = stage.settled().await;
    told.until("it is told", |it| !it.problems.is_empty()).await;
    assert!(
        told.problems[0].contains("there is no Node \"node-a\""),
        "{:?}",
        told.problems
    );
    stage.server.put(node(&json!({})));
    told.until("it is there", |it| it.has(OWN_NODE)).await;
    assert!(told.problems.is_empty(), "{:?}", told.problems);
}

#[tokio::test]
async fn a_burst_comes_in_few_batches() {
    let stage = Stage::new();
    let mut timing = crate::stage::timing();
    timing.gather = Duration::from_millis(50);
    let mut told = stage.settled_with(timing).await;
    for number in 0..500 {
        stage.server.put(service(&format!("s{number}")));
    }
    let mut batches = 0;
    while told.held.len() < 505 {
        assert!(told.next(Duration::from_secs(30)).await);
        batches += 1;
    }
    assert!(batches <= 50, "{batches} batches for 500 objects");
}
