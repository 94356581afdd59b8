//! Against the real kernel, in a network namespace that ends with the test's thread.

use std::thread;

use nix::sched::{CloneFlags, unshare};
use rtnetlink::{LinkUnspec, LinkVeth};
use tokio::time::{Instant, timeout};

use super::*;

/// Runs a test in a namespace of its own; without the right to make one there is nothing to test.
fn in_namespace<T: Future<Output = ()>>(test: impl FnOnce() -> T + Send + 'static) {
    let body = move || {
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            eprintln!("skipped: only root may make a network namespace");
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test());
    };
    thread::spawn(body).join().unwrap();
}

/// A connection to make changes with, and the follower's news.
async fn start() -> (Handle, Snapshot, mpsc::Receiver<Snapshot>) {
    let (connection, handle, _) = rtnetlink::new_connection().unwrap();
    tokio::spawn(connection);
    let (out, news) = mpsc::channel(16);
    let (first, _task) = follow(out).await.unwrap();
    (handle, first, news)
}

/// Waits for a snapshot with a property.
async fn until(news: &mut mpsc::Receiver<Snapshot>, has: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let wait = async {
        loop {
            let seen = news.recv().await.unwrap();
            if has(&seen) {
                return seen;
            }
        }
    };
    timeout(Duration::from_secs(5), wait).await.unwrap()
}

fn index(seen: &Snapshot, name: &str) -> Option<u32> {
    seen.links
        .iter()
        .find(|(_, link)| link.name == name)
        .map(|(index, _)| *index)
}

async fn add_veth(handle: &Handle) {
    let pair = LinkVeth::new("veth1", "peer1").up().build();
    handle.link().add(pair).execute().await.unwrap();
}

#[test]
fn a_device_that_appears_later_is_told_at_once_and_so_is_its_end() {
    in_namespace(async || {
        let (handle, first, mut news) = start().await;
        assert_eq!(index(&first, "veth1"), None);
        let since = Instant::now();
        add_veth(&handle).await;
        let seen = until(&mut news, |seen| index(seen, "veth1").is_some()).await;
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "took {:?}",
            since.elapsed()
        );
        let veth = index(&seen, "veth1").unwrap();
        let link = &seen.links[&veth];
        assert!(link.is_veth && link.is_ethernet && !link.foreign_peer);
        assert_ne!(link.mac, Mac::default());
        handle.link().del(veth).execute().await.unwrap();
        until(&mut news, |seen| index(seen, "veth1").is_none()).await;
    });
}

#[test]
fn a_new_name_is_told() {
    in_namespace(async || {
        let (handle, _, mut news) = start().await;
        add_veth(&handle).await;
        let seen = until(&mut news, |seen| index(seen, "veth1").is_some()).await;
        let veth = index(&seen, "veth1").unwrap();
        let change = LinkUnspec::new_with_index(veth).down().build();
        handle.link().set(change).execute().await.unwrap();
        let change = LinkUnspec::new_with_index(veth).name("lxc1").build();
        handle.link().set(change).execute().await.unwrap();
        let seen = until(&mut news, |seen| index(seen, "lxc1").is_some()).await;
        assert_eq!(index(&seen, "lxc1"), Some(veth));
    });
}

#[test]
fn addresses_host_routes_and_neighbours_are_read() {
    in_namespace(async || {
        let (handle, _, mut news) = start().await;
        add_veth(&handle).await;
        let seen = until(&mut news, |seen| index(seen, "veth1").is_some()).await;
        let veth = index(&seen, "veth1").unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (address, prefix) in [("192.168.1.2", 24), ("192.168.1.3", 24), ("fd00:1::2", 64)] {
            handle
                .address()
                .add(veth, ip(address), prefix)
                .execute()
                .await
                .unwrap();
        }
        let pod = std::net::Ipv4Addr::new(10, 244, 0, 7);
        let route = RouteMessageBuilder::<std::net::Ipv4Addr>::new()
            .destination_prefix(pod, 32)
            .output_interface(veth)
            .build();
        handle.route().add(route).execute().await.unwrap();
        let mac = [2, 0, 0, 0, 0, 7];
        handle
            .neighbours()
            .add(veth, pod.into())
            .link_layer_address(&mac)
            .execute()
            .await
            .unwrap();
        let is_complete = |seen: &Snapshot| {
            seen.addresses.len() == 3 && !seen.routes.is_empty() && !seen.neighbours.is_empty()
        };
        let seen = until(&mut news, is_complete).await;
        let addresses: Vec<IpAddr> = seen.addresses.iter().map(|address| address.ip).collect();
        assert_eq!(
            addresses,
            [ip("192.168.1.2"), ip("192.168.1.3"), ip("fd00:1::2")]
        );
        assert_eq!(
            seen.routes,
            [Route {
                host: Some(pod.into()),
                devices: vec![veth]
            }]
        );
        assert_eq!(
            seen.neighbours,
            [Neighbour {
                device: veth,
                ip: pod.into(),
                mac: Mac(mac)
            }]
        );
    });
}

/// Runs `ip` in the namespace of this thread.
fn ip(words: &str) {
    let done = std::process::Command::new("ip")
        .args(words.split(' '))
        .status();
    assert!(done.unwrap().success(), "ip {words}");
}

#[test]
fn news_of_routes_and_of_a_neighbour_elsewhere_is_another_epoch() {
    in_namespace(async || {
        let (handle, first, mut news) = start().await;
        assert_ne!(first.route_epoch, 0, "a new namespace has plain routes");
        add_veth(&handle).await;
        let seen = until(&mut news, |seen| index(seen, "veth1").is_some()).await;
        let mut last = seen.route_epoch;
        assert_ne!(last, first.route_epoch);
        for words in [
            "addr add 192.168.1.2/24 dev veth1",
            "route add 10.9.0.0/16 via 192.168.1.9",
            "neigh add 192.168.1.9 lladdr 02:00:00:00:00:09 dev veth1",
            "neigh replace 192.168.1.9 lladdr 02:00:00:00:00:0a dev veth1",
            "route change 10.9.0.0/16 via 192.168.1.8",
            "rule add from 192.168.1.7 lookup 100",
            "link set veth1 down",
        ] {
            ip(words);
            let seen = until(&mut news, |seen| seen.route_epoch != last).await;
            assert_ne!(seen.route_epoch, 0, "{words}");
            last = seen.route_epoch;
        }
    });
}

#[test]
fn where_ports_decide_about_the_way_the_epoch_is_zero() {
    in_namespace(async || {
        let (handle, _, mut news) = start().await;
        add_veth(&handle).await;
        ip("addr add 192.168.1.2/24 dev veth1");
        let hops = "nexthop via 192.168.1.8 nexthop via 192.168.1.9";
        for (add, remove) in [
            (
                "rule add ipproto tcp dport 80 lookup 100".to_owned(),
                "rule del ipproto tcp dport 80",
            ),
            (
                "-6 rule add ipproto udp lookup 100".to_owned(),
                "-6 rule del ipproto udp",
            ),
            (
                format!("route add 10.9.0.0/16 {hops}"),
                "route del 10.9.0.0/16",
            ),
        ] {
            ip(&add);
            until(&mut news, |seen| seen.route_epoch == 0).await;
            ip(remove);
            until(&mut news, |seen| seen.route_epoch != 0).await;
        }
    });
}
