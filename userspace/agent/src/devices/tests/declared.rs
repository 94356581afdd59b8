use tidegate_api::{Declaration, DeviceOwner};

use super::*;

/// `dev8`, which no glob matches, declared with an address.
fn declared(role: DeviceRole, index: Option<u32>, address: &str) -> Declared {
    let mut declared = Declared::default();
    let declaration = Declaration {
        role,
        addresses: address.parse().into_iter().collect(),
        mac: Some("02:00:00:00:00:63".to_owned()),
        owner: index.map(|_| DeviceOwner::default()),
        netns: None,
    };
    declared.declare("dev8", declaration, index);
    declared
}

fn with_dev8() -> Snapshot {
    let mut seen = node();
    seen.links.insert(8, link("dev8", 8));
    seen
}

fn derive_with(declared: &Declared, args: &[&str], seen: &Snapshot) -> Facts {
    Facts::derive(&config(args), seen, declared, &Facts::default())
}

#[test]
fn a_declared_device_needs_no_glob_and_its_address_no_neighbour() {
    let declared = declared(DeviceRole::Pod, Some(8), "10.244.0.8");
    let facts = derive_with(&declared, &[], &with_dev8());
    assert_eq!(facts.devices[&8].role, Role::Pod);
    let pod = LocalPod {
        device: 8,
        pod_mac: mac(99),
        host_mac: mac(8),
    };
    assert_eq!(facts.local_pods[&ip("10.244.0.8")], pod);
    assert!(
        !derive_with(&declared, &[], &node())
            .devices
            .contains_key(&8)
    );
}

#[test]
fn the_gateway_of_a_declared_pod_behind_a_bridge_is_the_bridge() {
    let declared = declared(DeviceRole::Pod, Some(8), "10.244.0.8");
    let mut seen = with_dev8();
    if let Some(link) = seen.links.get_mut(&8) {
        link.master = Some(BRIDGE);
    }
    let pods = derive_with(&declared, &[], &seen).local_pods;
    assert_eq!(pods[&ip("10.244.0.8")].host_mac, mac(9));
}

#[test]
fn what_is_declared_wins_over_globs_and_routes_but_not_over_uplinks() {
    let roles = [
        (DeviceRole::Overlay, Role::Overlay),
        (DeviceRole::Uplink, Role::Uplink),
    ];
    for (said, role) in roles {
        let facts = derive_with(
            &declared(said, None, ""),
            &["--pod-device", "dev*"],
            &with_dev8(),
        );
        assert_eq!(facts.devices[&8].role, role);
    }
    let facts = derive_with(
        &declared(DeviceRole::Pod, None, ""),
        &["--uplink", "dev8"],
        &with_dev8(),
    );
    assert_eq!(facts.devices[&8].role, Role::Uplink);
    // The route says veth7.
    let facts = derive_with(
        &declared(DeviceRole::Pod, None, "10.244.0.7"),
        &[],
        &with_dev8(),
    );
    assert_eq!(facts.local_pods[&ip("10.244.0.7")].device, 8);
}

#[test]
fn of_two_devices_with_one_address_the_one_that_was_declared_last_has_it() {
    let mut both = declared(DeviceRole::Pod, None, "10.244.0.8");
    let again = both.of(8, "dev8").unwrap().declaration.clone();
    both.declare("another9", again.clone(), None);
    let mut seen = with_dev8();
    seen.links.insert(9, link("another9", 9));
    let holder = |declared: &Declared| {
        derive_with(declared, &[], &seen).local_pods[&ip("10.244.0.8")].device
    };
    assert_eq!(holder(&both), 9);
    both.declare("dev8", again, None);
    assert_eq!(holder(&both), 8);
}

#[test]
fn a_containers_device_is_not_another_one_of_that_name() {
    let facts = derive_with(
        &declared(DeviceRole::Pod, Some(7), "10.244.0.8"),
        &[],
        &with_dev8(),
    );
    assert!(!facts.devices.contains_key(&8));
    assert!(!facts.local_pods.contains_key(&ip("10.244.0.8")));
}

#[test]
fn ethernet_addresses_are_six_pairs_of_digits() {
    assert_eq!(super::super::mac("02:00:00:00:00:0a"), Some(mac(10)));
    for wrong in [
        "",
        "02:00:00:00:00",
        "02:00:00:00:00:00:00",
        "2:0:0:0:0:0",
        "02-00-00-00-00-00",
        "0x:00:00:00:00:00",
        "+2:00:00:00:00:00",
    ] {
        assert_eq!(super::super::mac(wrong), None, "{wrong}");
    }
}
