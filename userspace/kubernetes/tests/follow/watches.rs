//! Watches: going on where they ended, and not asking more than is needed.

use std::time::{Duration, Instant};

use tidegate_apiserver::{Cut, Fault, Kind, On};

use crate::stage::{Stage, WEB, node, service, slice, timing};

#[tokio::test]
async fn changes_arrive_as_they_happen() {
    let stage = Stage::new();
    let mut told = stage.settled().await;
    stage.server.put(service("new"));
    stage.server.put(slice("new", &["10.244.0.3"]));
    told.until_equal(&stage.server).await;
    stage.server.put(slice("new", &["10.244.0.4"]));
    told.until_equal(&stage.server).await;
    stage.server.delete(Kind::Service, "default", "new");
    stage.server.delete(Kind::EndpointSlice, "default", "new-1");
    told.until_equal(&stage.server).await;
    assert_eq!(stage.lists(), 1);
}

#[tokio::test]
async fn a_watch_that_is_cut_goes_on_where_it_was() {
    for how in [Cut::Clean, Cut::Abrupt, Cut::HalfLine] {
        let stage = Stage::new();
        let mut told = stage.settled().await;
        for number in 0..4 {
            // Some happens while the watch is open, some while it is not.
            stage.server.put(service(&format!("before-{number}")));
            stage.server.cut(how);
            stage.server.put(service(&format!("after-{number}")));
            told.until_equal(&stage.server).await;
        }
        assert_eq!(stage.lists(), 1, "{how:?}: a list costs the server most");
        assert!(told.times.values().all(|times| *times == 1), "{how:?}");
    }
}

#[tokio::test]
async fn a_watch_is_over_in_time_and_goes_on() {
    let stage = Stage::new();
    let mut timing = timing();
    timing.watch = Duration::from_secs(1);
    let mut told = stage.settled_with(timing).await;
    let watches = || stage.asked(On::Watch(Kind::Service)).len();
    stage
        .until("watches were opened anew", |_| watches() > 3)
        .await;
    stage.server.put(service("new"));
    told.until_equal(&stage.server).await;
    assert_eq!(stage.lists(), 1);
    assert!(told.problems.is_empty(), "{:?}", told.problems);
}

#[tokio::test]
async fn bookmarks_keep_a_quiet_watch_from_expiring() {
    let stage = Stage::new();
    stage.server.bookmarks_every(Duration::from_millis(50));
    let mut told = stage.settled().await;
    // Versions pass by of which the watch of Services sees nothing.
    for number in 0..20 {
        stage
            .server
            .put(slice("web", &[&format!("10.244.1.{number}")]));
    }
    told.until_equal(&stage.server).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    stage.server.compact();
    stage.server.cut(Cut::Abrupt);
    stage.server.put(service("new"));
    told.until_equal(&stage.server).await;
    assert_eq!(stage.lists(), 1);
}

#[tokio::test]
async fn an_expired_version_is_listed_anew_whichever_way_it_is_told() {
    for by_event in [false, true] {
        let stage = Stage::new();
        stage.server.expires_by_event(by_event);
        let mut told = stage.settled().await;
        stage.server.away(true);
        stage.server.put(service("new"));
        stage.server.delete(Kind::Service, "default", "db");
        stage.server.compact();
        stage.server.away(false);
        told.until_equal(&stage.server).await;
        stage.until_watched(4).await;
        assert_eq!(stage.lists(), 2, "by event: {by_event}");
        let newest = &stage.asked(On::List(Kind::Service))[1];
        assert!(!newest.query.contains("resourceVersion="), "{newest:?}");
    }
}

#[tokio::test]
async fn an_error_event_is_no_reason_to_list() {
    let stage = Stage::new();
    for fault in [
        Fault::ErrorEvent(500),
        Fault::ErrorEvent(429),
        Fault::Garbage,
        Fault::BreaksOff,
    ] {
        stage.server.fail(On::Watch(Kind::Service), fault);
    }
    let mut told = stage.settled().await;
    stage.server.put(service("new"));
    told.until_equal(&stage.server).await;
    assert_eq!(stage.lists(), 1);
}

#[tokio::test]
async fn a_version_that_is_refused_again_and_again_is_given_up() {
    let stage = Stage::new();
    for _ in 0..5 {
        stage
            .server
            .fail(On::Watch(Kind::Service), Fault::ErrorEvent(504));
    }
    let mut told = stage.follow();
    told.until_equal(&stage.server).await;
    stage.until("a second list", |_| stage.lists() == 2).await;
    stage.until_watched(4).await;
    told.until("all is well", |it| it.problems.is_empty()).await;
}

#[tokio::test]
async fn watches_that_end_at_once_are_opened_ever_more_seldom() {
    let stage = Stage::new();
    for _ in 0..7 {
        stage
            .server
            .fail(On::Watch(Kind::Service), Fault::EndsAtOnce);
    }
    let began = Instant::now();
    stage.settled().await;
    assert_eq!(stage.lists(), 1);
    // Waits of 20, 40, 80, 160, 320, 400 and 400 ms, of each at least the half.
    assert!(began.elapsed() >= Duration::from_millis(710));
}

#[tokio::test]
async fn lists_that_lead_to_expired_watches_are_asked_for_ever_more_seldom() {
    let stage = Stage::new();
    for _ in 0..6 {
        stage
            .server
            .fail(On::Watch(Kind::Service), Fault::Status(410, None));
    }
    let began = Instant::now();
    let mut told = stage.follow();
    told.until_equal(&stage.server).await;
    stage.until_watched(4).await;
    assert_eq!(stage.lists(), 7);
    assert!(began.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn rule_5_1_10_what_was_known_stays_while_the_server_is_away() {
    let stage = Stage::new();
    let mut told = stage.settled().await;
    stage.server.away(true);
    told.until("it is told", |it| !it.problems.is_empty()).await;
    assert!(
        told.problems[0].starts_with("Kubernetes API: cannot read "),
        "{:?}",
        told.problems
    );
    assert!(
        told.problems[0].ends_with("what was known stays"),
        "{:?}",
        told.problems
    );
    assert!(told.has(WEB));
    stage.server.put(service("new"));
    stage.server.away(false);
    told.until_equal(&stage.server).await;
    told.until("all is well", |it| it.problems.is_empty()).await;
    assert_eq!(stage.lists(), 1);
}

#[tokio::test]
async fn rule_5_1_9_a_server_that_is_away_at_start_takes_nothing_away() {
    let stage = Stage::new();
    stage.server.away(true);
    let mut told = stage.follow();
    told.until("it is told", |it| !it.problems.is_empty()).await;
    assert!(!told.is_complete);
    assert!(
        told.problems[0].ends_with("what the maps hold stays"),
        "{:?}",
        told.problems
    );
    stage.server.away(false);
    told.until_equal(&stage.server).await;
    told.until("all is well", |it| it.problems.is_empty()).await;
}

#[tokio::test]
async fn the_end_of_the_listener_ends_all_watches() {
    let stage = Stage::new();
    stage.server.put(node(&serde_json::json!({})));
    let told = stage.settled().await;
    drop(told);
    // A follower that waits for an event hears of it with the next one.
    for number in 0..3 {
        stage.server.put(service(&format!("s{number}")));
        stage
            .server
            .put(slice("web", &[&format!("10.244.0.{number}")]));
    }
    stage
        .until("watches are closed", |server| server.watches() <= 2)
        .await;
}
