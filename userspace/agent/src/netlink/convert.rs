//! From netlink messages to the plain structs; what is of no use to us becomes `None`.

use std::net::IpAddr;

use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
    link::{InfoKind, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType},
    rule::{RuleAttribute, RuleMessage},
};
use tidegate_abi::Mac;

use super::{Bridged, DeviceAddress, Link, Neighbour, Route};

/// The kernel's table of local and broadcast addresses (`RT_TABLE_LOCAL`).
const TABLE_LOCAL: u8 = 255;
/// `IFA_F_TEMPORARY`: for IPv6 the same bit as IPv4's "secondary".
const TEMPORARY: AddressFlags = AddressFlags::Secondary;

/// An address with what decides its rank.
pub(super) struct Candidate {
    address: DeviceAddress,
    flags: AddressFlags,
}

pub(super) fn link(message: &LinkMessage) -> Link {
    let mut link = Link {
        is_ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        ..Link::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) => link.mac = mac(bytes).unwrap_or_default(),
            LinkAttribute::Controller(master) => link.master = Some(*master),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::LinkNetNsId(_) => link.foreign_peer = true,
            LinkAttribute::LinkInfo(infos) => {
                link.is_veth = infos.contains(&LinkInfo::Kind(InfoKind::Veth));
            }
            _ => {}
        }
    }
    link
}

pub(super) fn address(message: &AddressMessage) -> Option<Candidate> {
    let mut ip = None;
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in &message.attributes {
        match attribute {
            // On a point-to-point link `Address` is the peer and `Local` is ours.
            AddressAttribute::Local(local) => ip = Some(*local),
            AddressAttribute::Address(address) => ip = ip.or(Some(*address)),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let usable = matches!(
        message.header.scope,
        AddressScope::Universe | AddressScope::Site
    );
    let ip = ip.filter(|ip| usable && is_global(*ip))?;
    if flags.contains(AddressFlags::Dadfailed) {
        return None;
    }
    Some(Candidate {
        address: DeviceAddress {
            device: message.header.index,
            ip,
            prefix: message.header.prefix_len,
        },
        flags,
    })
}

/// Orders the addresses of each device: lasting before temporary and deprecated ones, oldest first.
pub(super) fn ranked(found: Vec<Candidate>) -> Vec<DeviceAddress> {
    let (v4, mut v6): (Vec<_>, Vec<_>) = found.into_iter().partition(|it| it.address.ip.is_ipv4());
    // The kernel lists IPv6 addresses with the newest first, and IPv4 addresses with the oldest first.
    v6.reverse();
    let passing = AddressFlags::Deprecated;
    let mut all: Vec<Candidate> = v4.into_iter().chain(v6).collect();
    all.sort_by_key(|it| {
        let is_v6 = it.address.ip.is_ipv6();
        let late = it.flags.contains(passing) || (is_v6 && it.flags.contains(TEMPORARY));
        (it.address.device, is_v6, late)
    });
    all.into_iter().map(|it| it.address).collect()
}

fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

pub(super) fn route(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    let prefix = header.destination_prefix_length;
    let full = if header.address_family == AddressFamily::Inet {
        32
    } else {
        128
    };
    if header.kind != RouteType::Unicast
        || header.table == TABLE_LOCAL
        || (prefix != 0 && prefix != full)
    {
        return None;
    }
    let mut route = Route {
        host: None,
        devices: Vec::new(),
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(ip)) => route.host = Some((*ip).into()),
            RouteAttribute::Destination(RouteAddress::Inet6(ip)) => route.host = Some((*ip).into()),
            RouteAttribute::Oif(device) => route.devices.push(*device),
            RouteAttribute::MultiPath(hops) => {
                route
                    .devices
                    .extend(hops.iter().map(|hop| hop.interface_index));
            }
            _ => {}
        }
    }
    if prefix == 0 {
        route.host = None;
    } else if !route.host.is_some_and(is_global) {
        return None;
    }
    (!route.devices.is_empty()).then_some(route)
}

/// Whether the route leads one way only, so that no hash of ports chooses among several.
pub(super) fn is_one_way(message: &RouteMessage) -> bool {
    let has = |is: fn(&RouteAttribute) -> bool| message.attributes.iter().any(is);
    // Without `net.ipv4.nexthop_compat_mode` a route names its next hops by number only.
    let is_unknown = has(|it| matches!(it, RouteAttribute::NhId(_)))
        && !has(|it| matches!(it, RouteAttribute::Oif(_)));
    !is_unknown && !has(|it| matches!(it, RouteAttribute::MultiPath(_)))
}

/// Whether the policy rule looks at nothing that two packets from one device between one pair of addresses may
/// differ in. Marks and types of service do not count: all our lookups have none.
pub(super) fn is_by_addresses(message: &RuleMessage) -> bool {
    let mut attributes = message.attributes.iter();
    !attributes.any(|it| {
        matches!(
            it,
            RuleAttribute::IpProtocol(_)
                | RuleAttribute::SourcePortRange(_)
                | RuleAttribute::DestinationPortRange(_)
                | RuleAttribute::Other(_)
        )
    })
}

pub(super) fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    if !is_resolved(message.header.state) {
        return None;
    }
    let ip = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(IpAddr::from(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some(IpAddr::from(*ip)),
            _ => None,
        });
    let ip = ip.filter(|ip| is_global(*ip) && !ip.is_multicast())?;
    Some(Neighbour {
        device: message.header.ifindex,
        ip,
        mac: link_layer(message)?,
    })
}

pub(super) fn bridged(message: &NeighbourMessage) -> Option<Bridged> {
    let mac = link_layer(message)?;
    // The low bit of the first byte marks a group address.
    if message.header.family != AddressFamily::Bridge || mac.0[0] & 1 == 1 {
        return None;
    }
    Some(Bridged {
        port: message.header.ifindex,
        mac,
    })
}

/// The states in which `mac` is known and not refuted.
fn is_resolved(state: NeighbourState) -> bool {
    matches!(
        state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
    )
}

fn link_layer(message: &NeighbourMessage) -> Option<Mac> {
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) => mac(bytes),
            _ => None,
        })
}

fn mac(bytes: &[u8]) -> Option<Mac> {
    bytes.try_into().ok().map(Mac)
}
