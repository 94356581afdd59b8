//! Answers of servers that are busy, closed to us, or half gone.

use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_apiserver::{Fault, Kind, On};

use crate::stage::{Stage, Told, WEB, service, timing};

#[tokio::test]
async fn errors_of_every_sort_are_waited_out() {
    for fault in [
        Fault::Status(500, None),
        Fault::Status(503, None),
        Fault::Status(504, None),
        Fault::Status(410, None),
        Fault::Text(502),
        Fault::Text(404),
    ] {
        for on in [On::List(Kind::Service), On::Watch(Kind::Service)] {
            let stage = Stage::new();
            stage.server.fail(on, fault.clone());
            stage.server.fail(on, fault.clone());
            let mut told = stage.settled().await;
            told.until("all is well", |it| it.problems.is_empty()).await;
        }
    }
}

#[tokio::test]
async fn a_busy_server_is_left_alone_as_long_as_it_asks() {
    let stage = Stage::new();
    let mut timing = timing();
    timing.most = Duration::from_secs(5);
    stage
        .server
        .fail(On::List(Kind::Service), Fault::Status(429, Some(1)));
    let began = Instant::now();
    stage.settled_with(timing).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn services_that_may_not_be_read_are_a_problem_until_they_may() {
    let stage = Stage::new();
    stage.server.allows(Kind::Service, false);
    let mut told = stage.follow();
    told.until("it is told", |it| !it.problems.is_empty()).await;
    let line = &told.problems[0];
    assert!(
        line.starts_with("Kubernetes API: cannot read services: "),
        "{line}"
    );
    assert!(line.ends_with("grant list and watch"), "{line}");
    assert!(told.held.is_empty());
    stage.server.allows(Kind::Service, true);
    told.until_equal(&stage.server).await;
    told.until("all is well", |it| it.problems.is_empty()).await;
}

#[tokio::test]
async fn a_node_that_may_not_be_read_is_done_without() {
    let stage = Stage::new();
    stage.server.allows(Kind::Node, false);
    let mut told = stage.follow();
    told.until("web is there", |it| it.has(WEB)).await;
    assert!(
        told.problems[0].contains("cannot read nodes"),
        "{:?}",
        told.problems
    );
    stage.server.allows(Kind::Node, true);
    told.until("the node is there", |it| it.has(crate::stage::OWN_NODE))
        .await;
    assert!(told.problems.is_empty(), "{:?}", told.problems);
}

#[tokio::test]
async fn a_server_without_service_cidrs_is_an_old_one_and_fine() {
    let stage = Stage::new();
    stage.server.serves(Kind::ServiceCidr, false);
    let mut told = stage.follow();
    told.until("web is there", |it| it.has(WEB)).await;
    assert!(told.problems.is_empty(), "{:?}", told.problems);
    assert!(told.cidrs.is_empty());
}

#[tokio::test]
async fn rule_5_1_10_a_server_that_starts_takes_nothing_away_by_its_refusals() {
    let stage = Stage::new();
    stage.server.put(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/16"]}
    }));
    let mut told = stage.settled().await;
    assert!(told.has(crate::stage::OWN_NODE));
    let starts_anew = async || {
        stage.server.away(true);
        stage.until_watched(0).await;
        stage.server.away(false);
    };
    stage.server.allows(Kind::Node, false);
    stage.server.serves(Kind::ServiceCidr, false);
    starts_anew().await;
    let refused = |it: &Told| {
        it.problems
            .iter()
            .any(|line| line.contains("cannot read nodes"))
    };
    told.until("the refusal is told", refused).await;
    assert!(told.has(crate::stage::OWN_NODE));
    assert_eq!(told.cidrs, ["10.96.0.0/16"]);
    stage.server.allows(Kind::Node, true);
    stage.server.serves(Kind::ServiceCidr, true);
    told.until("all is well", |it| it.problems.is_empty()).await;
    told.until_equal(&stage.server).await;
    // Who is refused for long has lost it.
    stage.server.serves(Kind::ServiceCidr, false);
    starts_anew().await;
    told.until("the blocks are gone", |it| it.cidrs.is_empty())
        .await;
}

#[tokio::test]
async fn rule_1_6_11_service_cidrs_are_told_as_they_come_and_go() {
    let stage = Stage::new();
    let cidr = |name: &str, blocks: &[&str]| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
               "metadata": {"name": name}, "spec": {"cidrs": blocks}})
    };
    stage
        .server
        .put(cidr("kubernetes", &["10.96.0.0/16", "fd00:1::/112"]));
    let mut told = stage.settled().await;
    assert_eq!(told.cidrs, ["10.96.0.0/16", "fd00:1::/112"]);
    stage.server.put(cidr("more", &["10.97.0.0/16"]));
    told.until("three blocks", |it| it.cidrs.len() == 3).await;
    stage.server.delete(Kind::ServiceCidr, "", "kubernetes");
    told.until("one block", |it| it.cidrs == ["10.97.0.0/16"])
        .await;
    assert_eq!(told.held.len(), 5);
}

#[tokio::test]
async fn random_faults_for_a_while_lose_nothing() {
    use tidegate_apiserver::Cut;
    let stage = Stage::new();
    let mut told = stage.settled().await;
    let faults = [
        Fault::Status(500, None),
        Fault::Text(502),
        Fault::BreaksOff,
        Fault::EndsAtOnce,
        Fault::ErrorEvent(410),
        Fault::Garbage,
        Fault::Slow(Duration::from_millis(30)),
    ];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for round in 0..60 {
        for _ in 0..20 {
            let name = format!("s{}", next(50));
            match next(3) {
                0 => stage.server.delete(Kind::Service, "default", &name),
                _ => stage.server.put(service(&name)),
            }
        }
        let kind = [Kind::Service, Kind::EndpointSlice][usize::try_from(next(2)).unwrap()];
        let on = [On::List(kind), On::Watch(kind)][usize::try_from(next(2)).unwrap()];
        stage
            .server
            .fail(on, faults[usize::try_from(next(7)).unwrap()].clone());
        match next(8) {
            0 => stage.server.compact(),
            1 => stage.server.away(true),
            2..5 => stage.server.away(false),
            _ => {}
        }
        let how = [Cut::Clean, Cut::Abrupt, Cut::HalfLine][usize::try_from(next(3)).unwrap()];
        stage.server.cut(how);
        told.next(Duration::from_millis(next(40) + 1)).await;
        assert!(told.is_complete, "round {round}");
    }
    stage.server.away(false);
    told.until_equal(&stage.server).await;
}
