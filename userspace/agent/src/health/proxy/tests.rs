use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::health::state::tests::FakeClock;

/// The status line at a path.
fn status(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    let _bytes = stream.read_to_string(&mut text).unwrap();
    text.lines().next().unwrap_or_default().to_owned()
}

/// A port that was free a moment ago, on an address that no other test uses.
fn free_port(host: u8) -> SocketAddr {
    let free = TcpListener::bind(SocketAddr::from(([127, 30, 10, host], 0))).unwrap();
    free.local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_10_1_and_3_10_4_two_paths_are_answered_and_others_are_not_found() {
    let ((_clock, health), address) = (FakeClock::with_health(), free_port(1));
    let _port = ProxyPort::open(address, Arc::clone(&health), Arc::default());
    for path in ["/healthz", "/livez", "/healthz?verbose"] {
        assert!(status(address, path).contains(" 200 "), "{path}");
    }
    for path in ["/", "/metrics", "/healthz/"] {
        assert!(status(address, path).contains(" 404 "), "{path}");
    }
    health.set_node_eligible(false);
    assert!(status(address, "/healthz").contains(" 503 "));
    assert!(status(address, "/livez").contains(" 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_10_3_an_update_that_waits_shows_at_both_paths() {
    let ((clock, health), address) = (FakeClock::with_health(), free_port(2));
    let _port = ProxyPort::open(address, Arc::clone(&health), Arc::default());
    health.queued();
    clock.pass(60);
    for path in ["/healthz", "/livez"] {
        assert!(status(address, path).contains(" 503 "), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_a_problem_that_names_the_flag_until_it_is_free() {
    let (_clock, health) = FakeClock::with_health();
    let taken = TcpListener::bind("127.30.10.3:0").unwrap();
    let address = taken.local_addr().unwrap();
    let answer = answer(Arc::clone(&health), Arc::default());
    assert!(listen(address, &health, &answer).is_none());
    let problem = health.problem().unwrap();
    let expected = format!("cannot listen at --health-address {address}: Address already in use");
    assert!(problem.starts_with(&expected), "{problem}");
    let trying = hold(
        None,
        address,
        Arc::clone(&health),
        answer,
        Duration::from_millis(10),
    );
    let _port = ProxyPort(tokio::spawn(trying));
    drop(taken);
    while health.problem().is_some() {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(status(address, "/livez").contains(" 200 "));
}
