//! The node on which all journeys take place: two uplinks, two pods, a tunnel; both families.

use std::net::{IpAddr, SocketAddr};

use tidegate_abi::settings::{Range4, Range6};
use tidegate_abi::{Address as _, Device, Ip4, Ip6, LocalPod, Mac, Proto, Settings, device};
use tidegate_frames::roles::{BACKEND_MAC, CLIENT_MAC, NODE_MAC};

use crate::network::{Link, Network, Via};
pub use crate::places::Places;
use crate::scene::Scene;

/// The device at which clients come in, of full size.
pub const UPLINK: u32 = 101;
/// Another one, whose link carries less.
pub const NARROW: u32 = 102;
/// What the narrow link carries.
pub const NARROW_MTU: u32 = 1300;
/// The host end of the cable to [`Roles::backend`].
pub const POD: u32 = 121;
/// The host end of the cable to [`Places::sibling`].
pub const SIBLING: u32 = 122;
/// A tunnel.
pub const OVERLAY: u32 = 131;

/// First and last masquerade port, unless a test wants others.
pub const MASQUERADE: (u16, u16) = (61_000, 61_999);

/// A pod's own network card.
pub const POD_MAC: [u8; 6] = [0x02, 0, 0, 0, 1, 1];
/// The other pod's.
pub const SIBLING_MAC: [u8; 6] = [0x02, 0, 0, 0, 1, 2];

/// The node's devices, addresses, routes and neighbours.
pub fn network() -> Network {
    let link = |index, name, mac, mtu| Link {
        index,
        name,
        mac,
        mtu,
        addresses: Vec::new(),
    };
    let mut network = Network {
        links: vec![
            link(UPLINK, "wan", NODE_MAC, 1500),
            link(NARROW, "narrow", [0x02, 0, 0, 0, 2, 0x0e], NARROW_MTU),
            link(POD, "pod", [0x02, 0, 0, 0, 3, 1], 1500),
            link(SIBLING, "sibling", [0x02, 0, 0, 0, 3, 2], 1500),
            link(OVERLAY, "tunnel", [0x02, 0, 0, 0, 3, 3], 1450),
        ],
        ..Network::default()
    };
    add_family(&mut network, &Places::v4(), 24, 32);
    add_family(&mut network, &Places::v6(), 64, 128);
    network
}

/// Addresses, routes and neighbours of one family; `net` bits of an address are the link's, `all` are
/// one pod's.
fn add_family(network: &mut Network, places: &Places, net: u8, all: u8) {
    let roles = places.roles;
    let own = [
        roles.node_port.ip(),
        places.second_node_port.ip(),
        places.masquerade,
    ];
    network.links[0].addresses.extend(own.map(|ip| (ip, net)));
    network.links[1]
        .addresses
        .push((places.narrow_masquerade, net));
    let (router, narrow_router) = (
        last_byte(roles.client.ip(), 20),
        last_byte(places.narrow_masquerade, 20),
    );
    let silent_router = last_byte(roles.client.ip(), 21);
    network.routes.extend([
        (roles.backend.ip(), all, Via::Device(POD)),
        (places.sibling.ip(), all, Via::Device(SIBLING)),
        (
            last_byte(roles.remote_backend.ip(), 0),
            net,
            Via::Gateway(UPLINK, router),
        ),
        (
            last_byte(places.narrow_backend.ip(), 0),
            net,
            Via::Gateway(NARROW, narrow_router),
        ),
        (
            last_byte(places.silent_backend.ip(), 0),
            net,
            Via::Gateway(UPLINK, silent_router),
        ),
        (
            last_byte(places.lost_backend.ip(), 0),
            net,
            Via::Unreachable,
        ),
    ]);
    network.neighbours.extend([
        (UPLINK, roles.client.ip(), CLIENT_MAC),
        (UPLINK, places.neighbour.ip(), [0x02, 0, 0, 0, 0, 0x1c]),
        (UPLINK, router, BACKEND_MAC),
        (NARROW, narrow_router, [0x02, 0, 0, 0, 2, 0x0b]),
        (POD, roles.backend.ip(), POD_MAC),
        (SIBLING, places.sibling.ip(), SIBLING_MAC),
    ]);
}

/// The address with another last byte.
fn last_byte(ip: IpAddr, last: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            [a, b, c, last].into()
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            [a, b, c, d, 0, 0, 0, u16::from(last)].into()
        }
    }
}

/// The node without a Service: settings, devices, the ways to its pods.
pub fn scene() -> Scene {
    let (v4, v6) = (Places::v4(), Places::v6());
    let masquerade = |four: IpAddr, six: IpAddr| Device {
        masquerade4: Ip4::from_ip(four).unwrap_or_default(),
        masquerade6: Ip6::from_ip(six).unwrap_or_default(),
        flags: 0,
    };
    let pod = Device {
        flags: device::flags::PEER,
        ..Device::default()
    };
    let way = |index: u32, mac| LocalPod {
        device: index,
        pod_mac: Mac(mac),
        host_mac: Mac(network().link(index).map_or([0; 6], |link| link.mac)),
    };
    let mut scene = Scene {
        settings: settings(&v4, &v6),
        devices: vec![
            (UPLINK, masquerade(v4.masquerade, v6.masquerade)),
            (
                NARROW,
                masquerade(v4.narrow_masquerade, v6.narrow_masquerade),
            ),
            (POD, pod),
            (SIBLING, pod),
            (OVERLAY, Device::default()),
        ],
        ..Scene::default()
    };
    for places in [v4, v6] {
        scene
            .pods
            .push((places.roles.backend.ip(), way(POD, POD_MAC)));
        scene
            .pods
            .push((places.sibling.ip(), way(SIBLING, SIBLING_MAC)));
        // The clusterIP itself is known, so that unknown ports of it are told apart (rule 2.4.9).
        let address = SocketAddr::new(places.roles.service.ip(), 0);
        let flags =
            tidegate_abi::frontend::flags::INTERNAL | tidegate_abi::frontend::flags::ADDRESS_ONLY;
        scene.frontend(address, Proto(0), flags, &[]);
    }
    scene
}

fn settings(v4: &Places, v6: &Places) -> Settings {
    let mut settings = Settings {
        node4: Ip4::from_ip(v4.roles.node_port.ip()).unwrap_or_default(),
        node6: Ip6::from_ip(v6.roles.node_port.ip()).unwrap_or_default(),
        masquerade_min: MASQUERADE.0,
        masquerade_max: MASQUERADE.1,
        ..Settings::default()
    };
    settings.service4[0] = Range4 {
        base: Ip4::new([10, 96, 0, 0]),
        mask: Ip4::new([255, 240, 0, 0]),
    };
    let base = Ip6::from_ip(last_byte(v6.roles.service.ip(), 0)).unwrap_or_default();
    let mut mask = [0xff; 16];
    mask[8..].fill(0);
    settings.service6[0] = Range6 {
        base,
        mask: Ip6::new(mask),
    };
    settings
}
