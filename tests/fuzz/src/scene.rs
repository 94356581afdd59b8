//! The textbook node with every kind of frontend and backend, and few masquerade ports.

use std::net::{IpAddr, SocketAddr};

use tidegate_abi::{
    Proto, backend,
    frontend::flags::{
        ADDRESS_ONLY, INTERNAL, LOAD_BALANCER, LOCAL_ONLY, NODE_PORT, PING, SOURCE_RANGES,
    },
    settings::flags::{EXTERNAL_CLUSTER_IP, MASQUERADE_ALL},
};
use tidegate_journeys::{Scene, textbook, textbook::Places};

/// First and last masquerade port.
pub(crate) const MASQUERADE: (u16, u16) = (61_000, 61_003);
/// A NodePort without endpoints, one whose endpoint is gone, and one that the node itself serves.
pub(crate) const NODE_PORTS: [u16; 3] = [30_009, 30_010, 30_011];
/// A port of the clusterIP with traffic policy Local.
pub(crate) const LOCAL_PORT: u16 = 443;
/// Where the node itself serves.
pub(crate) const HOST_PORT: u16 = 9_000;

/// The scene; the bits of `choice` are the node's settings.
pub(crate) fn scene(choice: u8) -> Scene {
    let mut scene = textbook::scene();
    (scene.settings.masquerade_min, scene.settings.masquerade_max) = MASQUERADE;
    for (bit, flag) in [(1, EXTERNAL_CLUSTER_IP), (2, MASQUERADE_ALL)] {
        if choice & bit != 0 {
            scene.settings.flags |= flag;
        }
    }
    for places in [Places::v4(), Places::v6()] {
        family(&mut scene, &places);
    }
    scene
}

fn family(scene: &mut Scene, places: &Places) {
    let roles = places.roles;
    let pods = [
        roles.backend,
        places.sibling,
        roles.remote_backend,
        places.narrow_backend,
        places.silent_backend,
        places.lost_backend,
    ];
    let all = pods.map(|at| scene.backend(at));
    let gone = scene.backend(at(roles.remote_backend.ip(), 9_090));
    scene.backend_mut(gone).flags = 0;
    let host = scene.backend(at(roles.node_port.ip(), HOST_PORT));
    scene.backend_mut(host).flags |= backend::flags::LOCAL;
    let flags = INTERNAL | ADDRESS_ONLY | PING;
    scene.frontend(at(roles.service.ip(), 0), Proto(0), flags, &[]);
    let flags = LOAD_BALANCER | ADDRESS_ONLY | PING;
    scene.frontend(at(places.elsewhere.ip(), 0), Proto(0), flags, &[]);
    let [nobody, lost, own] = NODE_PORTS.map(|port| at(roles.node_port.ip(), port));
    for proto in [Proto::TCP, Proto::UDP, Proto::SCTP] {
        scene.frontend(roles.node_port, proto, NODE_PORT, &all);
        scene.frontend(nobody, proto, NODE_PORT, &[]);
        scene.frontend(lost, proto, NODE_PORT, &[gone]);
        scene.frontend(own, proto, NODE_PORT, &[host]);
        let flags = NODE_PORT | LOCAL_ONLY;
        scene.frontend(places.second_node_port, proto, flags, &all[2..]);
        scene.frontend(roles.service, proto, INTERNAL, &all);
        let local = at(roles.service.ip(), LOCAL_PORT);
        scene.frontend(local, proto, INTERNAL | LOCAL_ONLY, &all);
        guarded(scene, places, proto, &all);
    }
}

/// A load-balancer address that is sticky, and for some clients only.
fn guarded(scene: &mut Scene, places: &Places, proto: Proto, all: &[tidegate_abi::BackendId]) {
    let flags = LOAD_BALANCER | SOURCE_RANGES;
    scene.frontend(places.elsewhere, proto, flags, all);
    let frontend = scene.frontend_mut(places.elsewhere, proto);
    frontend.affinity_seconds = 100;
    let service = frontend.service;
    for client in [places.roles.client, places.roles.backend] {
        let bits = if client.is_ipv4() { 32 } else { 128 };
        scene.source_ranges.push((service, client.ip(), bits));
    }
}

fn at(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip, port)
}

/// Everybody whom a frame may come from or go to.
pub(crate) fn endpoints(places: &Places) -> Vec<SocketAddr> {
    let roles = places.roles;
    let mut all = places.all();
    all.extend([roles.node_port, roles.service, places.elsewhere]);
    all.extend(NODE_PORTS.map(|port| at(roles.node_port.ip(), port)));
    all.extend([
        at(roles.service.ip(), LOCAL_PORT),
        at(roles.service.ip(), 81),
        at(roles.node_port.ip(), HOST_PORT),
    ]);
    let odd: [IpAddr; 3] = if roles.client.is_ipv4() {
        [[0; 4].into(), [127, 0, 0, 1].into(), [224, 0, 0, 1].into()]
    } else {
        let (mut loopback, mut multicast) = ([0; 8], [0; 8]);
        (loopback[7], multicast[0], multicast[7]) = (1, 0xff02, 1);
        [[0u16; 8].into(), loopback.into(), multicast.into()]
    };
    all.extend(odd.map(|ip| at(ip, roles.node_port.port())));
    all
}
