mod declared;

use super::*;
use crate::netlink::{Bridged, DeviceAddress, Link, Neighbour, Route};
use clap::Parser;
use tidegate_abi::Mac;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    options: crate::config::Options,
}

fn config(args: &[&str]) -> Config {
    let args = std::iter::once(&"run").chain(args);
    Config::load(Flags::try_parse_from(args).unwrap().options).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

fn link(name: &str, last: u8) -> Link {
    Link {
        name: name.into(),
        mac: mac(last),
        ..Link::default()
    }
}

const UPLINK: u32 = 2;
const POD: u32 = 7;
const BRIDGE: u32 = 9;

/// A node: eth0 carries the default route, veth7 leads to a pod, cni0 is a bridge.
fn node() -> Snapshot {
    let pod = Link {
        is_veth: true,
        foreign_peer: true,
        ..link("veth7", 7)
    };
    Snapshot {
        links: [
            (1, link("lo", 0)),
            (UPLINK, link("eth0", 2)),
            (POD, pod),
            (BRIDGE, link("cni0", 9)),
        ]
        .into(),
        addresses: vec![
            DeviceAddress {
                device: UPLINK,
                ip: ip("192.168.1.2"),
                prefix: 24,
            },
            DeviceAddress {
                device: UPLINK,
                ip: ip("192.168.1.3"),
                prefix: 24,
            },
            DeviceAddress {
                device: UPLINK,
                ip: ip("fd00:1::2"),
                prefix: 64,
            },
            DeviceAddress {
                device: BRIDGE,
                ip: ip("10.244.0.1"),
                prefix: 24,
            },
        ],
        routes: vec![
            Route {
                host: None,
                devices: vec![UPLINK],
            },
            Route {
                host: Some(ip("10.244.0.7")),
                devices: vec![POD],
            },
        ],
        neighbours: vec![Neighbour {
            device: POD,
            ip: ip("10.244.0.7"),
            mac: mac(77),
        }],
        bridged: vec![],
        route_epoch: 1,
    }
}

fn after(before: &Facts, args: &[&str], seen: &Snapshot) -> Facts {
    Facts::derive(&config(args), seen, &Declared::default(), before)
}

fn derive(args: &[&str], seen: &Snapshot) -> Facts {
    after(&Facts::default(), args, seen)
}

#[test]
fn the_uplink_is_the_device_of_the_default_route_unless_said_otherwise() {
    let facts = derive(&[], &node());
    assert_eq!(facts.devices[&UPLINK].role, Role::Uplink);
    assert_eq!(facts.devices[&POD].role, Role::Pod);
    assert!(!facts.devices.contains_key(&BRIDGE));
    let facts = derive(&["--uplink", "cni*"], &node());
    assert_eq!(facts.devices[&BRIDGE].role, Role::Uplink);
    assert!(!facts.devices.contains_key(&UPLINK));
}

#[test]
fn rule_3_4_3_names_tell_pods_and_a_device_that_fits_several_roles_is_uplink_before_pod_before_overlay()
 {
    let globs = [
        "--uplink",
        "veth*",
        "--pod-device",
        "veth*,cni*",
        "--overlay-device",
        "cni*,eth*",
    ];
    let facts = derive(&globs, &node());
    assert_eq!(facts.devices[&POD].role, Role::Uplink);
    assert_eq!(facts.devices[&BRIDGE].role, Role::Pod);
    assert_eq!(facts.devices[&UPLINK].role, Role::Overlay);
}

#[test]
fn the_loopback_device_is_never_attached() {
    let facts = derive(&["--uplink", "*"], &node());
    assert!(!facts.devices.contains_key(&1));
}

#[test]
fn a_device_masquerades_to_its_own_first_address_of_each_family() {
    let device = derive(&[], &node()).devices[&UPLINK].device;
    assert_eq!(device.masquerade4.to_ip(), ip("192.168.1.2"));
    assert_eq!(device.masquerade6.to_ip(), ip("fd00:1::2"));
    assert_eq!(device.flags, 0);
}

#[test]
fn rule_3_2_1_a_bridge_gives_its_address_if_all_its_ports_are_ours() {
    let mut seen = node();
    assert!(derive(&[], &seen).masters.is_empty(), "it has no ports");
    if let Some(link) = seen.links.get_mut(&POD) {
        link.master = Some(BRIDGE);
    }
    let masters = derive(&[], &seen).masters;
    let device = masters[&BRIDGE];
    assert_eq!((masters.len(), device.flags), (1, 0));
    assert_eq!(device.masquerade4.to_ip(), ip("10.244.0.1"));
    assert!(
        derive(&["--overlay-device", "cni0"], &seen)
            .masters
            .is_empty()
    );
    // What comes in through this port nobody would translate.
    let tap = Link {
        master: Some(BRIDGE),
        ..link("tap0", 8)
    };
    seen.links.insert(8, tap);
    assert!(derive(&[], &seen).masters.is_empty());
}

#[test]
fn only_a_veth_whose_peer_is_in_another_namespace_has_a_peer() {
    let mut seen = node();
    assert_eq!(derive(&[], &seen).devices[&POD].device.flags, PEER);
    if let Some(link) = seen.links.get_mut(&POD) {
        link.foreign_peer = false;
    }
    assert_eq!(derive(&[], &seen).devices[&POD].device.flags, 0);
}

#[test]
fn the_data_path_is_told_which_links_are_ethernet() {
    let mut seen = node();
    for link in seen.links.values_mut() {
        link.is_ethernet = true;
    }
    let devices = derive(&[], &seen).devices;
    assert_eq!(devices[&UPLINK].device.flags, ETHERNET);
    assert_eq!(devices[&POD].device.flags, PEER | ETHERNET);
}

#[test]
fn the_node_has_its_uplinks_addresses_unless_told_others() {
    let facts = derive(&[], &node());
    assert_eq!(
        facts.node_addresses,
        [ip("192.168.1.2"), ip("192.168.1.3"), ip("fd00:1::2")]
    );
    let facts = derive(&["--node-address", "10.0.0.9"], &node());
    assert_eq!(facts.node_addresses, [ip("10.0.0.9")]);
    assert_eq!(facts.settings(&config(&[]), &[]).node6, Ip6::default());
}

#[test]
fn node_ports_answer_on_primary_addresses_all_or_within_blocks() {
    let on = |args: &[&str]| derive(args, &node()).nodeport_addresses;
    assert_eq!(on(&[]), [ip("192.168.1.2"), ip("fd00:1::2")]);
    assert_eq!(on(&["--nodeport-addresses", "all"]).len(), 4);
    // Rule 3.5.3: no block is about IPv6.
    assert_eq!(
        on(&["--nodeport-addresses", "10.244.0.0/16"]),
        [ip("10.244.0.1"), ip("fd00:1::2")]
    );
    let both = on(&["--nodeport-addresses", "primary,10.0.0.0/8"]);
    assert_eq!(both, [ip("192.168.1.2"), ip("fd00:1::2"), ip("10.244.0.1")]);
}

#[test]
fn a_host_route_through_a_pod_device_makes_a_local_pod() {
    let pods = derive(&[], &node()).local_pods;
    let pod = LocalPod {
        device: POD,
        pod_mac: mac(77),
        host_mac: mac(7),
    };
    assert_eq!(pods, [(ip("10.244.0.7"), pod)].into());
}

#[test]
fn a_pod_whose_ethernet_address_is_unknown_is_still_a_local_pod() {
    let seen = Snapshot {
        neighbours: vec![],
        ..node()
    };
    assert_eq!(
        derive(&[], &seen).local_pods[&ip("10.244.0.7")].pod_mac,
        Mac::default()
    );
}

#[test]
fn a_host_route_through_the_uplink_is_not_a_pod() {
    let mut seen = node();
    seen.routes.push(Route {
        host: Some(ip("10.9.9.9")),
        devices: vec![UPLINK],
    });
    assert!(!derive(&[], &seen).local_pods.contains_key(&ip("10.9.9.9")));
}

/// The node with its pod as a port of the bridge instead of behind a route.
fn bridged_node() -> Snapshot {
    let mut seen = node();
    seen.routes.truncate(1);
    if let Some(link) = seen.links.get_mut(&POD) {
        link.master = Some(BRIDGE);
    }
    seen.neighbours = vec![Neighbour {
        device: BRIDGE,
        ip: ip("10.244.0.7"),
        mac: mac(77),
    }];
    seen.bridged = vec![
        Bridged {
            port: POD,
            mac: mac(7),
        },
        Bridged {
            port: POD,
            mac: mac(77),
        },
    ];
    seen
}

#[test]
fn a_pod_behind_a_bridge_is_found_by_neighbour_and_forwarding_entries() {
    let pods = derive(&[], &bridged_node()).local_pods;
    let pod = LocalPod {
        device: POD,
        pod_mac: mac(77),
        host_mac: mac(9),
    };
    assert_eq!(pods, [(ip("10.244.0.7"), pod)].into());
}

#[test]
fn nobody_becomes_a_pod_by_saying_a_foreign_address_on_a_bridge() {
    let mut seen = bridged_node();
    for said in ["172.18.0.5", "10.244.1.7", "fd00:1::9"] {
        seen.neighbours.push(Neighbour {
            device: BRIDGE,
            ip: ip(said),
            mac: mac(77),
        });
    }
    let pods = derive(&[], &seen).local_pods;
    assert_eq!(Vec::from_iter(pods.keys()), [&ip("10.244.0.7")]);
}

#[test]
fn a_quiet_pod_behind_a_bridge_is_remembered_until_its_port_goes() {
    let before = derive(&[], &bridged_node());
    let mut quiet = Snapshot {
        neighbours: vec![],
        bridged: vec![],
        ..bridged_node()
    };
    assert_eq!(after(&before, &[], &quiet).local_pods, before.local_pods);
    quiet.links.remove(&POD);
    assert!(after(&before, &[], &quiet).local_pods.is_empty());
}

#[test]
fn a_pod_that_moved_to_another_port_is_not_remembered_at_the_old_one() {
    let before = derive(&[], &bridged_node());
    let mut moved = bridged_node();
    moved.links.insert(
        8,
        Link {
            master: Some(BRIDGE),
            ..link("veth8", 8)
        },
    );
    moved.bridged = vec![Bridged {
        port: 8,
        mac: mac(77),
    }];
    let pods = after(&before, &[], &moved).local_pods;
    assert_eq!(pods[&ip("10.244.0.7")].device, 8);
}

#[test]
fn rule_5_1_1_an_uplink_stays_one_while_there_is_no_default_route() {
    let before = derive(&[], &node());
    let mut seen = node();
    seen.routes.remove(0);
    let without = after(&before, &[], &seen);
    assert_eq!(without.devices, before.devices);
    assert_eq!(without.node_addresses, before.node_addresses);
    let again = after(&without, &[], &seen);
    assert_eq!(again.devices, before.devices);
    // Another one has it now.
    seen.routes.push(Route {
        host: None,
        devices: vec![BRIDGE],
    });
    let moved = after(&again, &[], &seen).devices;
    assert!(!moved.contains_key(&UPLINK));
    assert_eq!(moved[&BRIDGE].role, Role::Uplink);
    // A device of its index that is another one never had it.
    seen.routes.pop();
    if let Some(link) = seen.links.get_mut(&UPLINK) {
        link.name = "eth1".to_owned();
    }
    assert!(!after(&before, &[], &seen).devices.contains_key(&UPLINK));
    assert!(!derive(&[], &seen).devices.contains_key(&UPLINK));
}

#[test]
fn settings_carry_addresses_ports_flags_and_service_ranges() {
    let args = [
        "--external-clusterip",
        "--masquerade-all",
        "--service-cidr",
        "10.96.0.0/12,fd00:96::/112",
    ];
    let config_of = config(&args);
    let settings = derive(&args, &node()).settings(&config_of, &config_of.service_cidr);
    assert_eq!(settings.node4.to_ip(), ip("192.168.1.2"));
    assert_eq!(
        (settings.masquerade_min, settings.masquerade_max),
        (20_000, 29_999)
    );
    assert_eq!(settings.flags, EXTERNAL_CLUSTER_IP | MASQUERADE_ALL);
    let quiet = derive(&[], &node()).settings(&config(&[]), &[]);
    assert_eq!(quiet.flags, 0);
    assert_eq!(settings.service4[0].base.to_ip(), ip("10.96.0.0"));
    assert_eq!(settings.service4[1], Default::default());
    assert_eq!(settings.service6[0].base.to_ip(), ip("fd00:96::"));
}
