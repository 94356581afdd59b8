use std::{
    io::{Read as _, Write as _},
    net::{TcpListener as Blocking, TcpStream as Client},
};

use super::*;
use crate::metrics::tests::scene::Scene;

/// The answer to these bytes.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = Client::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    // A refusal may come with a reset behind it.
    let _reset = stream.read_to_string(&mut text);
    text
}

fn get(address: SocketAddr, path: &str) -> String {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    )
}

/// A port that was free a moment ago, on an address that no other test uses.
fn free_port(host: u8) -> SocketAddr {
    let free = Blocking::bind(SocketAddr::from(([127, 30, 7, host], 0))).unwrap();
    free.local_addr().unwrap()
}

fn open_at(address: SocketAddr) -> MetricsPort {
    MetricsPort::open(address, Scene::new(10).page(), Arc::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_10_7_three_paths_are_answered_and_others_are_not_found() {
    let address = free_port(1);
    let _port = open_at(address);
    assert!(get(address, "/proxyMode").ends_with("\r\n\r\ntidegate"));
    assert!(get(address, "/healthz").ends_with("\r\n\r\nok"));
    let page = get(address, "/metrics");
    assert!(
        page.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{page}"
    );
    for path in ["/", "/metrics/", "/proxymode", "/debug/pprof"] {
        assert!(get(address, path).starts_with("HTTP/1.1 404 "), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_and_endless_headers_are_refused() {
    let address = free_port(2);
    let _port = open_at(address);
    let post = ask(
        address,
        "POST /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
    let head = ask(
        address,
        "HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let long = format!(
        "GET /metrics HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n",
        "a".repeat(64 * 1024)
    );
    let refused = ask(address, &long);
    assert!(
        refused.is_empty() || refused.starts_with("HTTP/1.1 431 "),
        "{refused}"
    );
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_do_not_keep_a_scraper_away() {
    let address = free_port(3);
    let _port = open_at(address);
    let _silent: Vec<Client> = (0..200)
        .map(|_| Client::connect(address).unwrap())
        .collect();
    assert!(get(address, "/metrics").starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_a_problem_that_names_the_flag_until_it_is_free() {
    let vitals = Arc::new(Vitals::default());
    let taken = Blocking::bind("127.30.7.4:0").unwrap();
    let address = taken.local_addr().unwrap();
    assert!(listen(address, &vitals).is_none());
    let problem = vitals.problem().unwrap();
    let expected = format!("cannot listen at --metrics-address {address}: Address already in use");
    assert!(problem.starts_with(&expected), "{problem}");
    let page = Scene::new(10).page();
    let trying = hold(
        None,
        address,
        page,
        Arc::clone(&vitals),
        Duration::from_millis(10),
    );
    let _port = MetricsPort(tokio::spawn(trying));
    drop(taken);
    while vitals.problem().is_some() {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(get(address, "/proxyMode").ends_with("tidegate"));
}
