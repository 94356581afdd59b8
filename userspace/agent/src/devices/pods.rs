//! Pods on this node: which device leads to which address.
//!
//! A CNI plugin may tell us (see [`Declared`]). Two kinds of network plug-in tell us without knowing it: those that give each pod a host route, and
//! those that put pods behind a bridge, where neighbour table and forwarding database together lead to
//! the port. Pods that neither way finds are reached through the routing table, only slower.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use tidegate_abi::{LocalPod, Mac};
use tidegate_loader::Role;

use super::{Declared, Wanted};
use crate::{
    cidr::Cidr,
    netlink::{Link, Neighbour, Snapshot},
};

/// Derives the local pods; `before` is the previous answer.
///
/// Bridges and neighbour tables forget a quiet pod after minutes. A pod behind a bridge is therefore
/// remembered until its port goes or the bridge says otherwise.
pub(crate) fn local_pods(
    seen: &Snapshot,
    devices: &BTreeMap<u32, Wanted>,
    declared: &Declared,
    before: &BTreeMap<IpAddr, LocalPod>,
) -> BTreeMap<IpAddr, LocalPod> {
    let is_pod = |index: &u32| devices.get(index).is_some_and(|it| it.role == Role::Pod);
    let mut pods = remembered(seen, &is_pod, before);
    pods.extend(bridged(seen, &is_pod));
    pods.extend(routed(seen, &is_pod));
    declare(&mut pods, seen, &is_pod, declared);
    pods
}

/// What was declared wins over what was learnt, and the last declaration of an address over those before.
fn declare(
    pods: &mut BTreeMap<IpAddr, LocalPod>,
    seen: &Snapshot,
    is_pod: &dyn Fn(&u32) -> bool,
    declared: &Declared,
) {
    let indices: HashMap<&str, u32> = seen
        .links
        .iter()
        .map(|(index, link)| (link.name.as_str(), *index))
        .collect();
    for (name, entry) in declared.in_order() {
        let index = indices.get(name).copied();
        let Some(device) =
            index.filter(|index| is_pod(index) && declared.of(*index, name).is_some())
        else {
            continue;
        };
        let own = seen.links.get(&device);
        // Behind a bridge, the bridge is the pod's gateway.
        let bridge = own.and_then(|link| seen.links.get(&link.master?));
        let host_mac = bridge.or(own).map(|link| link.mac).unwrap_or_default();
        for ip in &entry.declaration.addresses {
            let learnt = pods.get(ip).filter(|pod| pod.device == device);
            let told = entry.declaration.mac.as_deref().and_then(mac);
            let pod_mac = told.or(learnt.map(|pod| pod.pod_mac)).unwrap_or_default();
            let pod = LocalPod {
                device,
                pod_mac,
                host_mac,
            };
            pods.insert(*ip, pod);
        }
    }
}

/// An Ethernet address as people write it.
pub(crate) fn mac(text: &str) -> Option<Mac> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let is_hex = |part: &&str| part.len() == 2 && part.bytes().all(|it| it.is_ascii_hexdigit());
        let part = parts.next().filter(is_hex)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(Mac(bytes))
}

/// Host routes whose device is a pod device.
fn routed(seen: &Snapshot, is_pod: &dyn Fn(&u32) -> bool) -> Vec<(IpAddr, LocalPod)> {
    let macs: HashMap<(u32, IpAddr), Mac> = seen
        .neighbours
        .iter()
        .map(|it| ((it.device, it.ip), it.mac))
        .collect();
    let hosts = seen.routes.iter().filter_map(|route| {
        let device = route
            .devices
            .iter()
            .copied()
            .find(|device| is_pod(device))?;
        Some((route.host?, device))
    });
    let known = hosts.filter_map(|(ip, device)| {
        let pod_mac = macs.get(&(device, ip)).copied().unwrap_or_default();
        Some((
            ip,
            LocalPod {
                device,
                pod_mac,
                host_mac: seen.links.get(&device)?.mac,
            },
        ))
    });
    known.collect()
}

/// Neighbours on a bridge whose Ethernet address was learnt behind a pod device. Only those of the bridge's own networks:
/// a pod may say of any address in the world that it is its own, and the neighbour table believes it.
fn bridged(seen: &Snapshot, is_pod: &dyn Fn(&u32) -> bool) -> Vec<(IpAddr, LocalPod)> {
    let mut ports: HashMap<(u32, Mac), u32> = HashMap::new();
    for entry in &seen.bridged {
        let link = seen.links.get(&entry.port);
        let own = link.is_some_and(|link| link.mac == entry.mac);
        if let (Some(bridge), false) = (link.and_then(|link| link.master), own) {
            ports.insert((bridge, entry.mac), entry.port);
        }
    }
    let is_on_link = |it: &&Neighbour| {
        let mut own = seen.addresses.iter().filter(|own| own.device == it.device);
        own.any(|own| Cidr::around(own.ip, own.prefix).contains(it.ip))
    };
    let neighbours = seen.neighbours.iter().filter(is_on_link);
    let found = neighbours.filter_map(|it| {
        let device = *ports
            .get(&(it.device, it.mac))
            .filter(|port| is_pod(port))?;
        let host_mac = seen.links.get(&it.device)?.mac;
        Some((
            it.ip,
            LocalPod {
                device,
                pod_mac: it.mac,
                host_mac,
            },
        ))
    });
    found.collect()
}

/// Pods of the last time behind bridge ports that still are what they were.
fn remembered(
    seen: &Snapshot,
    is_pod: &dyn Fn(&u32) -> bool,
    before: &BTreeMap<IpAddr, LocalPod>,
) -> BTreeMap<IpAddr, LocalPod> {
    let bridge = |pod: &LocalPod| -> Option<(u32, &Link)> {
        let master = seen.links.get(&pod.device)?.master?;
        Some((master, seen.links.get(&master)?))
    };
    let still = |ip: &IpAddr, pod: &LocalPod| {
        let Some((index, link)) = bridge(pod) else {
            return false;
        };
        let moved = seen
            .bridged
            .iter()
            .any(|it| it.mac == pod.pod_mac && it.port != pod.device);
        let other_mac = seen
            .neighbours
            .iter()
            .any(|it| it.device == index && it.ip == *ip && it.mac != pod.pod_mac);
        is_pod(&pod.device) && link.mac == pod.host_mac && !moved && !other_mac
    };
    before
        .iter()
        .filter(|(ip, pod)| still(ip, pod))
        .map(|(ip, pod)| (*ip, *pod))
        .collect()
}
