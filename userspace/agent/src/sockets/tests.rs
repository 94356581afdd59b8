use std::net::{Ipv4Addr, Ipv6Addr};

use netlink_packet_sock_diag::{
    constants::{AF_INET, AF_INET6},
    inet::SocketId,
};
use tidegate_abi::{Port, Proto};

use super::*;

const BACKEND: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 7);

fn open(cookie: u8, peer: IpAddr, port: u16) -> Open {
    let family = if peer.is_ipv4() { AF_INET } else { AF_INET6 };
    let mut id = match peer {
        IpAddr::V4(_) => SocketId::new_v4(),
        IpAddr::V6(_) => SocketId::new_v6(),
    };
    id.destination_address = peer;
    id.destination_port = port;
    id.cookie[..4].copy_from_slice(&u32::from(cookie).to_ne_bytes());
    Open::new(family, id)
}

fn stale(cookie: u32, port: u16) -> Stale {
    Stale::V4(SocketKey {
        cookie: [cookie, 0],
        addr: Ip4::new(BACKEND.octets()),
        port: Port::new(port),
        proto: Proto::UDP,
        pad: 0,
    })
}

#[test]
fn rule_5_2_15_only_a_socket_that_is_connected_to_the_backend_is_ended() {
    let sockets = [
        open(1, BACKEND.into(), 53),
        open(2, BACKEND.into(), 54),
        open(3, Ipv4Addr::new(10, 244, 0, 8).into(), 53),
        open(4, Ipv4Addr::UNSPECIFIED.into(), 0),
        open(5, BACKEND.into(), 53),
    ];
    let entries = [1, 2, 3, 4].map(|cookie| stale(cookie, 53));
    let found = findings(&sockets, &entries);
    assert_eq!(found.lost, [&sockets[0]]);
    assert_eq!(found.forgotten, [entries[0]]);
}

#[test]
fn rule_5_2_15_an_ipv6_socket_may_be_connected_to_an_ipv4_backend() {
    let sockets = [
        open(1, BACKEND.to_ipv6_mapped().into(), 53),
        open(2, Ipv6Addr::UNSPECIFIED.into(), 0),
    ];
    let found = findings(&sockets, &[stale(1, 53), stale(2, 53)]);
    assert_eq!(found.lost, [&sockets[0]]);
    assert_eq!(found.forgotten.len(), 1);
}

#[test]
fn entries_of_sockets_that_are_closed_are_forgotten_and_each_socket_ends_once() {
    let sockets = [open(1, BACKEND.into(), 53)];
    let entries = [stale(1, 53), stale(1, 53), stale(9, 53)];
    let found = findings(&sockets, &entries);
    assert_eq!((found.lost.len(), found.forgotten.len()), (1, 3));
}

#[test]
fn the_thread_looks_at_each_pull_and_once_more_afterwards() {
    let (sender, receiver) = sync_channel(1);
    let mut trigger = Some(Trigger(Some(sender)));
    for _ in 0..2 {
        trigger.iter().for_each(Trigger::pull);
    }
    let mut looks = 0;
    each_time(&receiver, || {
        looks += 1;
        // Nobody can pull any more.
        if looks == 2 {
            trigger = None;
        }
    });
    assert_eq!(looks, 2);
}
