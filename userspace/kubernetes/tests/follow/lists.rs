//! Lists: complete or nothing, in pages, and what they mean for what was known.

use std::time::Duration;

use serde_json::json;
use tidegate_apiserver::{Cut, Fault, Kind, On};

use crate::stage::{Stage, WEB, WEB_SLICE, labelled, service, slice};

#[tokio::test]
async fn rule_1_2_3_and_5_1_9_nothing_is_told_before_services_and_slices_were_listed() {
    for kind in [Kind::Service, Kind::EndpointSlice] {
        let stage = Stage::new();
        stage.server.fail(On::List(kind), Fault::Status(500, None));
        stage.server.fail(On::List(kind), Fault::Silent);
        let mut told = stage.follow();
        // The other resources are there long before the silent one is asked for again.
        told.until("the problem is told", |it| !it.problems.is_empty())
            .await;
        while told.next(Duration::from_millis(300)).await {}
        assert!(!told.is_complete && told.held.is_empty(), "{kind:?}");
        told.until_equal(&stage.server).await;
        assert!(told.problems.is_empty(), "{:?}", told.problems);
    }
}

#[tokio::test]
async fn the_first_list_comes_out_of_the_server_s_memory() {
    let stage = Stage::new();
    stage.settled().await;
    let asked = stage.asked(On::List(Kind::Service));
    assert_eq!(asked.len(), 1);
    assert!(asked[0].query.contains("resourceVersion=0"), "{asked:?}");
    assert!(!asked[0].query.contains("limit="), "{asked:?}");
}

#[tokio::test]
async fn a_list_after_expiry_is_the_newest_and_comes_in_pages() {
    let stage = Stage::new();
    for number in 0..1_100 {
        stage.server.put(service(&format!("s{number}")));
    }
    let mut told = stage.settled().await;
    stage.server.away(true);
    stage.server.delete(Kind::Service, "default", "s7");
    stage.server.put(service("late"));
    stage.server.compact();
    stage.server.away(false);
    told.until_equal(&stage.server).await;
    let lists = stage.asked(On::List(Kind::Service));
    let (first, pages) = lists.split_first().unwrap();
    assert!(!first.query.contains("continue="), "{first:?}");
    assert_eq!(pages.len(), 3, "{pages:?}");
    assert!(pages.iter().all(|it| it.query.contains("limit=500")));
    assert!(
        pages
            .iter()
            .all(|it| !it.query.contains("resourceVersion=0"))
    );
    assert!(pages[2].query.contains("continue="), "{pages:?}");
}

#[tokio::test]
async fn pages_that_expire_are_read_all_at_once() {
    let stage = Stage::new();
    for number in 0..600 {
        stage.server.put(service(&format!("s{number}")));
    }
    // The first list is refused, so the second comes from the store, in pages.
    stage
        .server
        .fail(On::List(Kind::Service), Fault::Status(504, None));
    stage
        .server
        .fail(On::List(Kind::Service), Fault::PagesExpire);
    stage.settled().await;
    let lists = stage.asked(On::List(Kind::Service));
    assert_eq!(lists.len(), 4, "{lists:?}");
    assert!(!lists[3].query.contains("limit="), "{lists:?}");
}

#[tokio::test]
async fn only_what_differs_is_told_after_a_list() {
    let stage = Stage::new();
    let mut told = stage.settled().await;
    stage.server.away(true);
    stage.server.delete(Kind::Service, "default", "db");
    stage.server.put(slice("web", &["10.244.0.2"]));
    stage.server.compact();
    stage.server.away(false);
    told.until_equal(&stage.server).await;
    assert_eq!(told.times[WEB], 1);
    assert_eq!(told.times[WEB_SLICE], 2);
    assert_eq!(told.times["kubernetes: Service default/db"], 2);
}

#[tokio::test]
async fn rule_1_2_1_services_of_other_proxies_are_not_seen() {
    const LABEL: &str = "service.kubernetes.io/service-proxy-name";
    for ignores_selectors in [false, true] {
        let stage = Stage::new();
        if ignores_selectors {
            stage.server.ignores_selectors();
        }
        stage.server.put(labelled(service("other"), LABEL));
        let mut told = stage.follow();
        told.until("web is there", |it| it.has(WEB)).await;
        stage.until_watched(4).await;
        assert!(!told.has("kubernetes: Service default/other"));
        stage.server.put(labelled(service("web"), LABEL));
        told.until("web is gone", |it| !it.has(WEB)).await;
        stage.server.put(service("web"));
        told.until("web is back", |it| it.has(WEB)).await;
        let selector = "labelSelector=%21service.kubernetes.io%2Fservice-proxy-name";
        let asked = stage.asked(On::List(Kind::Service));
        assert!(asked[0].query.contains(selector), "{asked:?}");
    }
}

#[tokio::test]
async fn rule_1_2_2_slices_of_headless_services_are_not_seen() {
    for ignores_selectors in [false, true] {
        let stage = Stage::new();
        if ignores_selectors {
            stage.server.ignores_selectors();
        }
        let mut told = stage.settled().await;
        let headless = labelled(
            slice("web", &["10.244.0.1"]),
            "service.kubernetes.io/headless",
        );
        stage.server.put(headless);
        told.until("the slice is gone", |it| !it.has(WEB_SLICE))
            .await;
        stage.server.put(slice("web", &["10.244.0.1"]));
        told.until("the slice is back", |it| it.has(WEB_SLICE))
            .await;
    }
}

#[tokio::test]
async fn rule_1_3_2_slices_of_nobody_are_not_told() {
    let stage = Stage::new();
    let mut orphan = slice("web", &["10.244.0.1"]);
    orphan["metadata"] = json!({"name": "orphan", "namespace": "default"});
    stage.server.put(orphan);
    let mut told = stage.follow();
    told.until("web is there", |it| it.has(WEB_SLICE)).await;
    assert!(!told.has("kubernetes: EndpointSlice default/orphan"));
}

#[tokio::test]
async fn a_list_that_breaks_off_is_asked_for_again() {
    let stage = Stage::new();
    stage.server.fail(On::List(Kind::Service), Fault::BreaksOff);
    stage.settled().await;
    assert_eq!(stage.lists(), 2);
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let stage = Stage::new();
    let slow = Fault::Slow(Duration::from_millis(700));
    stage.server.fail(On::List(Kind::Service), slow.clone());
    stage.server.fail(On::Watch(Kind::Service), slow);
    stage.settled().await;
    assert_eq!(stage.lists(), 1);
}

#[tokio::test]
async fn a_server_that_never_answers_is_asked_again() {
    let stage = Stage::new();
    let mut timing = crate::stage::timing();
    timing.answer = Duration::from_millis(500);
    stage.server.fail(On::List(Kind::Service), Fault::Silent);
    let told = stage.settled_with(timing).await;
    assert_eq!(stage.lists(), 2);
    assert!(told.problems.is_empty());
    stage.server.cut(Cut::Clean);
}
