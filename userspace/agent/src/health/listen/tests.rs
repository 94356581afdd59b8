use std::{
    io::ErrorKind,
    net::{TcpListener as Blocking, TcpStream},
    sync::Arc,
};

use super::*;
use crate::health::reply;

fn nothing() -> Answer {
    Arc::new(|_path| reply::not_found())
}

fn address(listening: &Listening) -> SocketAddr {
    listening.socket.local_addr().unwrap().as_socket().unwrap()
}

#[tokio::test]
async fn rule_3_9_6_a_closed_port_refuses_at_once_and_its_number_is_free_at_once() {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let first = Listening::at(loopback, nothing()).unwrap();
    let at = address(&first);
    let open = TcpStream::connect(at).unwrap();
    // No await: the task that serves has had no turn when the next lines run.
    drop(first);
    let refused = TcpStream::connect(at).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let second = Listening::at(at, nothing()).unwrap();
    assert_eq!(address(&second), at);
    drop(open);
}

#[tokio::test]
async fn rule_3_9_8_ipv6_does_not_stand_in_for_ipv4() {
    // The number that IPv6 gets may be somebody else's in IPv4, but not every time.
    let stands_beside = || {
        let six = Listening::at("[::]:0".parse().unwrap(), nothing()).unwrap();
        let port = address(&six).port();
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok());
        let refused = TcpStream::connect(("127.0.0.1", port)).is_err();
        let four = SocketAddr::new("0.0.0.0".parse().unwrap(), port);
        refused && Listening::at(four, nothing()).is_ok()
    };
    assert!((0..10).any(|_| stands_beside()));
}

#[tokio::test]
async fn rule_3_10_1_the_unspecified_address_is_that_of_both_families() {
    for all in ["0.0.0.0:0", "[::]:0"] {
        let listening = Listening::at_all_families(all.parse().unwrap(), nothing()).unwrap();
        let port = address(&listening).port();
        for ip in ["127.0.0.1", "::1"] {
            let to = SocketAddr::new(ip.parse().unwrap(), port);
            assert!(TcpStream::connect(to).is_ok(), "{all}: {to}");
        }
    }
    let one = Listening::at_all_families("127.0.0.1:0".parse().unwrap(), nothing()).unwrap();
    let other = SocketAddr::new("127.0.0.2".parse().unwrap(), address(&one).port());
    let refused = TcpStream::connect(other).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_port_that_another_process_has_is_not_taken_from_it() {
    let other = Blocking::bind("127.0.0.1:0").unwrap();
    let error = Listening::at(other.local_addr().unwrap(), nothing()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}
