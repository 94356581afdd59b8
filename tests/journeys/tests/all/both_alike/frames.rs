//! The scene, and what is thrown at it.

use std::net::SocketAddr;

use tidegate_abi::{
    Proto,
    frontend::flags::{INTERNAL, LOCAL_ONLY, NODE_PORT},
    reason::Kind,
};
use tidegate_frames::{Frame, Rng, oracle::dissect::dissect, random_frame_between};
use tidegate_journeys::{
    Scene,
    machine::{Exit, Program},
    record::Tuple,
    textbook::{self, NARROW, OVERLAY, POD, Places, SIBLING, UPLINK},
};

/// Every kind of frontend, few masquerade ports.
pub(super) fn scene() -> Scene {
    let mut scene = textbook::scene();
    (scene.settings.masquerade_min, scene.settings.masquerade_max) = (61_000, 61_007);
    for places in [Places::v4(), Places::v6()] {
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
        let gone = scene.backend(SocketAddr::new(roles.remote_backend.ip(), 9_090));
        scene.backend_mut(gone).flags = 0;
        for proto in [Proto::TCP, Proto::UDP] {
            let at = |ip: SocketAddr, port| SocketAddr::new(ip.ip(), port);
            scene.frontend(roles.node_port, proto, NODE_PORT, &all);
            scene.frontend(at(roles.node_port, 30_009), proto, NODE_PORT, &[]);
            scene.frontend(at(roles.node_port, 30_010), proto, NODE_PORT, &[gone]);
            scene.frontend(
                places.second_node_port,
                proto,
                NODE_PORT | LOCAL_ONLY,
                &all[2..],
            );
            scene.frontend(roles.service, proto, INTERNAL, &all);
            scene.frontend(at(roles.service, 443), proto, INTERNAL | LOCAL_ONLY, &all);
        }
    }
    scene
}

/// A random frame, or one that answers a frame which came out before.
pub(super) fn frame(rng: &mut Rng, echoes: &[Tuple]) -> Vec<u8> {
    if !echoes.is_empty() && rng.one_in(3) {
        let Tuple { proto, src, dst } = rng.pick(echoes);
        let ttl = rng.pick(&[64, 64, 64, 2, 1]);
        // Now and then about as long as the narrow link allows.
        let length = if rng.one_in(10) {
            1_200 + rng.below(100)
        } else {
            rng.below(80)
        };
        let payload = rng.bytes(length);
        if proto == Proto::UDP {
            return Frame::udp(src, dst).ttl(ttl).payload(payload).build();
        }
        let flags = rng.pick(&[0x02, 0x12, 0x10, 0x18, 0x11, 0x14, 0x04]);
        return Frame::tcp(src, dst)
            .ttl(ttl)
            .flags(flags)
            .payload(payload)
            .build();
    }
    let places = if rng.one_in(2) {
        Places::v4()
    } else {
        Places::v6()
    };
    let mut endpoints = places.all();
    let at = |ip: SocketAddr, port| SocketAddr::new(ip.ip(), port);
    let roles = places.roles;
    endpoints.extend([
        roles.node_port,
        roles.service,
        at(roles.service, 443),
        at(roles.service, 81),
    ]);
    endpoints.extend([at(roles.node_port, 30_009), at(roles.node_port, 30_010)]);
    random_frame_between(rng, &endpoints)
}

/// The programs, each at one of its devices.
pub(super) fn hops(rng: &mut Rng) -> [(Program, u32); 5] {
    let (uplink, pod) = (
        rng.pick(&[UPLINK, UPLINK, NARROW]),
        rng.pick(&[POD, SIBLING]),
    );
    [
        (Program::XdpUplink, uplink),
        (Program::TcUplink, uplink),
        (Program::TcPod, pod),
        (Program::TcOverlay, OVERLAY),
        (Program::TcHost, uplink),
    ]
}

/// Notes the tuple with which the packet that came out would be answered, and with which it goes on.
pub(super) fn remember(echoes: &mut Vec<Tuple>, exit: &Exit, number: u32) {
    let translated = exit
        .reason
        .is_some_and(|reason| reason.kind() == Kind::Forward);
    if let (true, Some(out), Some(sent)) = (translated, tuple(&exit.frame), tuple(&exit.sent)) {
        let answer = Tuple {
            src: out.dst,
            dst: out.src,
            ..out
        };
        let fresh = if number.is_multiple_of(2) {
            answer
        } else {
            sent
        };
        if echoes.len() < 256 {
            echoes.push(fresh);
        } else {
            echoes[number as usize % 256] = fresh;
        }
    }
}

pub(super) fn tuple(frame: &[u8]) -> Option<Tuple> {
    let anatomy = dissect(frame).ok()?;
    let ports: [u8; 4] = frame.get(anatomy.transport..)?.first_chunk().copied()?;
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    let (src, dst) = (
        SocketAddr::new(anatomy.src, port(0)),
        SocketAddr::new(anatomy.dst, port(2)),
    );
    Some(Tuple {
        proto: Proto(anatomy.protocol),
        src,
        dst,
    })
}
