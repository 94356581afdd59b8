use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use tidegate_abi::Proto;
use tidegate_control::{PortKey, problem::Origin};

use super::*;
use crate::health::state::tests::{FakeClock, synced};

/// Of a test of its own, since the tests of a process run at once: nobody else listens there.
fn loopback(host: u8) -> (IpAddr, Scope) {
    let ip = IpAddr::from([127, 30, 9, host]);
    (ip, Scope::Only(vec![ip]))
}

fn check(name: &str, port: u16, local_ready: usize) -> HealthCheck {
    HealthCheck {
        key: Arc::new(PortKey {
            namespace: "shop".into(),
            service: name.into(),
            port_name: String::new(),
            proto: Proto::TCP,
            family: Family::V4,
        }),
        origin: Origin {
            file: "web.yaml".into(),
            document: 1,
        },
        port,
        local_ready,
    }
}

/// The whole answer at a port, in the words of a probe.
fn probe(ip: IpAddr, port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((ip, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(b"GET /any HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    let _bytes = stream.read_to_string(&mut text)?;
    Ok(text)
}

fn is_refused(ip: IpAddr, port: u16) -> bool {
    probe(ip, port).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_9_9_a_count_turns_the_answer_round_without_a_new_listener() {
    let ((ip, scope), (_clock, health)) = (loopback(1), FakeClock::with_health());
    let mut ports = ServicePorts::new(health);
    let mut kept = None;
    for (count, status) in [(0, "503"), (2, "200"), (0, "503")] {
        ports.sync(&[check("web", 30_100, count)], &scope);
        let answer = probe(ip, 30_100).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.0 {status} ")),
            "{answer}"
        );
        assert!(answer.contains(&format!("weight: {count}\r\n")), "{answer}");
        // One that was opened before the first change is still served.
        let open = kept.get_or_insert_with(|| TcpStream::connect((ip, 30_100)).unwrap());
        open.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .unwrap();
        let mut line = [0; 12];
        open.read_exact(&mut line).unwrap();
        assert_eq!(line, *format!("HTTP/1.1 {status}").as_bytes());
        let mut rest = [0; 1024];
        let _bytes = open.read(&mut rest).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_9_2_an_unhealthy_proxy_makes_every_service_port_say_no() {
    let ((ip, scope), (clock, health)) = (loopback(2), FakeClock::with_health());
    let mut ports = ServicePorts::new(Arc::clone(&health));
    ports.sync(&[check("web", 30_100, 1)], &scope);
    health.queued();
    clock.pass(60);
    let answer = probe(ip, 30_100).unwrap();
    assert!(answer.starts_with("HTTP/1.0 503 "), "{answer}");
    assert!(answer.contains("\"localEndpoints\": 1"), "{answer}");
    assert!(
        answer.contains("\"serviceProxyHealthy\": false"),
        "{answer}"
    );
    synced(&health);
    assert!(probe(ip, 30_100).unwrap().starts_with("HTTP/1.0 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_9_6_a_changed_number_closes_the_old_port_and_opens_the_new_one() {
    let ((ip, scope), (_clock, health)) = (loopback(3), FakeClock::with_health());
    let mut ports = ServicePorts::new(health);
    ports.sync(&[check("web", 30_100, 1)], &scope);
    ports.sync(&[check("web", 30_101, 1)], &scope);
    assert!(is_refused(ip, 30_100));
    assert!(probe(ip, 30_101).unwrap().contains("\"name\": \"web\""));
    // The number goes to another Service in the same sync.
    ports.sync(&[check("other", 30_101, 1)], &scope);
    assert!(probe(ip, 30_101).unwrap().contains("\"name\": \"other\""));
    ports.sync(&[], &scope);
    assert!(is_refused(ip, 30_101));
    assert!(ports.problems().is_empty(), "{:?}", ports.problems());
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_9_7_a_port_that_is_taken_is_told_tried_again_and_hurts_nobody_else() {
    let ((ip, scope), (_clock, health)) = (loopback(4), FakeClock::with_health());
    let taken = TcpListener::bind((ip, 30_100)).unwrap();
    let mut ports = ServicePorts::new(health);
    let checks = [check("web", 30_100, 1), check("other", 30_101, 1)];
    ports.sync(&checks, &scope);
    let problems = ports.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let expected = "web.yaml: document 1: Service shop/web: spec.healthCheckNodePort: cannot listen at \
        127.30.9.4:30100: Address already in use";
    assert!(problems[0].starts_with(expected), "{problems:?}");
    assert!(probe(ip, 30_101).is_ok());
    drop(taken);
    ports.sync(&checks, &scope);
    assert!(ports.problems().is_empty(), "{:?}", ports.problems());
    assert!(probe(ip, 30_100).is_ok());
}

#[test]
fn rule_3_9_1_only_blocks_restrict_where_the_ports_are() {
    let node: Vec<IpAddr> = ["192.0.2.10", "2001:db8::10"]
        .map(|text| text.parse().unwrap())
        .into();
    let of = |words: &[&str]| {
        let parsed: Vec<_> = words.iter().map(|word| word.parse().unwrap()).collect();
        Scope::of(&parsed, &node)
    };
    for open in [&["primary"][..], &["all"], &["192.0.2.0/24", "primary"]] {
        assert_eq!(of(open), Scope::All, "{open:?}");
    }
    let restricted = of(&["192.0.2.0/24", "2001:db8::/64"]);
    assert_eq!(restricted.addresses(Family::V4), node[..1]);
    assert_eq!(restricted.addresses(Family::V6), node[1..]);
    let everywhere = [Family::V4, Family::V6].map(|family| Scope::All.addresses(family));
    assert_eq!(everywhere.concat().len(), 2);
}
