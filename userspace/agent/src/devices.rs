//! What the kernel's facts mean for us: which devices to attach to, this node's addresses, local pods.
//!
//! Pure: a [`Snapshot`], the configuration and what was [`declared`] in, [`Facts`] out.

pub(crate) mod declared;
mod pods;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use tidegate_abi::{
    Address, Device, Ip4, Ip6, LocalPod, Settings,
    device::flags::{ETHERNET, PEER},
    settings::flags::{EXTERNAL_CLUSTER_IP, MASQUERADE_ALL},
};
use tidegate_api::DeviceRole;
use tidegate_loader::{Role, XDP_MTU};

use declared::Declared;
pub(crate) use pods::{local_pods, mac};

use crate::{
    cidr::Cidr,
    config::{Config, NodePortAddresses},
    glob,
    netlink::{Link, Snapshot},
};

/// Everything derived from one snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// By interface index.
    pub(crate) devices: BTreeMap<u32, Wanted>,
    /// Bridges and the like that have only such devices as ports, and addresses.
    pub(crate) masters: BTreeMap<u32, Device>,
    /// Addresses of this node; the first of each family is the primary one.
    pub(crate) node_addresses: Vec<IpAddr>,
    /// Those on which NodePorts answer.
    pub(crate) nodeport_addresses: Vec<IpAddr>,
    /// All addresses of this host, whatever the device.
    pub(crate) own_addresses: BTreeSet<IpAddr>,
    pub(crate) local_pods: BTreeMap<IpAddr, LocalPod>,
}

/// A device that we want to be attached to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) device: Device,
    /// Its frames do not fit what XDP has for one: [`XDP_MTU`].
    pub(crate) is_jumbo: bool,
}

impl Facts {
    /// Derives the facts; `before` are those of the last time, see [`local_pods`] and [`wanted`].
    pub(crate) fn derive(
        config: &Config,
        seen: &Snapshot,
        declared: &Declared,
        before: &Self,
    ) -> Self {
        let devices = wanted(config, seen, declared, &before.devices);
        let node_addresses = node_addresses(config, seen, &devices);
        let nodeport_addresses = nodeport_addresses(config, seen, &node_addresses);
        let local_pods = local_pods(seen, &devices, declared, &before.local_pods);
        Self {
            masters: masters(seen, &devices),
            devices,
            node_addresses,
            nodeport_addresses,
            own_addresses: seen.addresses.iter().map(|address| address.ip).collect(),
            local_pods,
        }
    }

    /// The node's primary address of a family; zero when it has none.
    fn primary<A: Address>(&self) -> A {
        self.node_addresses
            .iter()
            .find_map(|ip| A::from_ip(*ip))
            .unwrap_or_default()
    }

    /// The settings that the data path should have; Services have addresses of these blocks.
    pub(crate) fn settings(&self, config: &Config, services: &[Cidr]) -> Settings {
        let mut settings = Settings {
            node4: self.primary(),
            node6: self.primary(),
            masquerade_min: config.masquerade_ports.first,
            masquerade_max: config.masquerade_ports.last,
            flags: [
                (config.external_clusterip, EXTERNAL_CLUSTER_IP),
                (config.masquerade_all, MASQUERADE_ALL),
            ]
            .into_iter()
            .filter(|(is_on, _)| *is_on)
            .fold(0, |all, (_, flag)| all | flag),
            ..Settings::default()
        };
        // More blocks than entries were refused before.
        let pods = &config.pod_cidr;
        fill(
            &mut settings.service4,
            services.iter().filter_map(Cidr::range4),
        );
        fill(
            &mut settings.service6,
            services.iter().filter_map(Cidr::range6),
        );
        fill(&mut settings.pod4, pods.iter().filter_map(Cidr::range4));
        fill(&mut settings.pod6, pods.iter().filter_map(Cidr::range6));
        settings
    }
}

fn fill<T>(entries: &mut [T], values: impl Iterator<Item = T>) {
    entries
        .iter_mut()
        .zip(values)
        .for_each(|(entry, value)| *entry = value);
}

/// The devices that match or are declared, each with its role: uplink before what is declared before pod
/// before overlay.
///
/// A default route is away for a moment when its device or a routing daemon starts anew. As long as there is none at
/// all, who was an uplink `before` stays one: replies to masqueraded connections still come in there.
fn wanted(
    config: &Config,
    seen: &Snapshot,
    declared: &Declared,
    before: &BTreeMap<u32, Wanted>,
) -> BTreeMap<u32, Wanted> {
    let default_route: Vec<u32> = seen
        .routes
        .iter()
        .filter(|route| route.host.is_none())
        .flat_map(|route| route.devices.iter().copied())
        .collect();
    let role = |index: &u32, name: &str| {
        let uplink = if config.uplink.is_empty() {
            let was = |it: &Wanted| it.role == Role::Uplink && it.name == name;
            default_route.contains(index)
                || (default_route.is_empty() && before.get(index).is_some_and(was))
        } else {
            glob::any(&config.uplink, name)
        };
        if uplink {
            Some(Role::Uplink)
        } else if let Some(entry) = declared.of(*index, name) {
            Some(match entry.declaration.role {
                DeviceRole::Pod => Role::Pod,
                DeviceRole::Uplink => Role::Uplink,
                DeviceRole::Overlay => Role::Overlay,
            })
        } else if glob::any(&config.pod_device, name) {
            Some(Role::Pod)
        } else {
            glob::any(&config.overlay_device, name).then_some(Role::Overlay)
        }
    };
    let attachable = seen.links.iter().filter(|(_, link)| link.name != "lo");
    let matching = attachable.filter_map(|(index, link)| {
        let role = role(index, &link.name)?;
        let device = Device {
            masquerade4: first::<Ip4>(seen, *index),
            masquerade6: first::<Ip6>(seen, *index),
            flags: flags(link),
        };
        Some((
            *index,
            Wanted {
                name: link.name.clone(),
                role,
                device,
                is_jumbo: link.mtu > XDP_MTU,
            },
        ))
    });
    matching.collect()
}

fn flags(link: &Link) -> u32 {
    let has_peer = link.is_veth && link.foreign_peer;
    let peer = if has_peer { PEER } else { 0 };
    let ethernet = if link.is_ethernet { ETHERNET } else { 0 };
    peer | ethernet
}

/// Devices that we are not attached to and whose addresses we may masquerade to all the same (rule 3.2.1),
/// since replies come in through a port, where we are. Of other devices nobody would translate the replies.
fn masters(seen: &Snapshot, devices: &BTreeMap<u32, Wanted>) -> BTreeMap<u32, Device> {
    let mut is_covered: BTreeMap<u32, bool> = BTreeMap::new();
    for (port, link) in &seen.links {
        if let Some(master) = link.master {
            *is_covered.entry(master).or_insert(true) &= devices.contains_key(port);
        }
    }
    let masters = is_covered
        .into_iter()
        .filter(|(index, is_covered)| *is_covered && !devices.contains_key(index));
    let addressed = masters.map(|(index, _)| {
        let device = Device {
            masquerade4: first(seen, index),
            masquerade6: first(seen, index),
            flags: 0,
        };
        (index, device)
    });
    addressed
        .filter(|(_, device)| *device != Device::default())
        .collect()
}

fn first<A: Address>(seen: &Snapshot, device: u32) -> A {
    let own = seen
        .addresses
        .iter()
        .filter(|address| address.device == device);
    own.filter_map(|address| A::from_ip(address.ip))
        .next()
        .unwrap_or_default()
}

fn node_addresses(
    config: &Config,
    seen: &Snapshot,
    devices: &BTreeMap<u32, Wanted>,
) -> Vec<IpAddr> {
    if !config.node_address.is_empty() {
        return config.node_address.clone();
    }
    let is_uplink = |index| devices.get(index).is_some_and(|it| it.role == Role::Uplink);
    let own = seen
        .addresses
        .iter()
        .filter(|address| is_uplink(&address.device));
    distinct(own.map(|address| address.ip))
}

fn nodeport_addresses(config: &Config, seen: &Snapshot, node: &[IpAddr]) -> Vec<IpAddr> {
    let local = || {
        node.iter()
            .copied()
            .chain(seen.addresses.iter().map(|address| address.ip))
    };
    let primary = || {
        let v4 = node.iter().find(|ip| ip.is_ipv4());
        v4.into_iter()
            .chain(node.iter().find(|ip| ip.is_ipv6()))
            .copied()
    };
    let which = &config.nodeport_addresses;
    let named = which.iter().flat_map(|which| -> Vec<IpAddr> {
        match which {
            NodePortAddresses::Primary => primary().collect(),
            NodePortAddresses::All => local().collect(),
            NodePortAddresses::Within(cidr) => local().filter(|ip| cidr.contains(*ip)).collect(),
        }
    });
    // A family that no element is about answers everywhere (rule 3.5.3).
    let is_named = |ip: &IpAddr| {
        let is_about = |which: &NodePortAddresses| match which {
            NodePortAddresses::Within(cidr) => cidr.parts().0.is_ipv4() == ip.is_ipv4(),
            NodePortAddresses::Primary | NodePortAddresses::All => true,
        };
        which.iter().any(is_about)
    };
    distinct(named.chain(local().filter(|ip| !is_named(ip))))
}

fn distinct(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut seen = Vec::new();
    for ip in addresses {
        if !seen.contains(&ip) {
            seen.push(ip);
        }
    }
    seen
}
