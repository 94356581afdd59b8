//! The scene, and what is thrown at it.

use std::net::SocketAddr;

use tidegate_abi::{
    Proto,
    frontend::flags::{
        ADDRESS_ONLY, INTERNAL, LOAD_BALANCER, LOCAL_ONLY, NODE_PORT, PING, SOURCE_RANGES,
    },
    reason::Kind,
};
use tidegate_frames::{
    Frame, Rng,
    frame::{Chunk, Transport},
    oracle::dissect::dissect,
    random_frame_between,
};
use tidegate_journeys::{
    Scene,
    machine::{Exit, Program},
    record::Tuple,
    textbook::{self, NARROW, OVERLAY, POD, Places, SIBLING, UPLINK},
};

/// Every kind of frontend, few masquerade ports.
pub(crate) fn scene() -> Scene {
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
        let none = Proto(0);
        let name = |ip: SocketAddr| SocketAddr::new(ip.ip(), 0);
        let cluster = name(roles.service);
        scene.frontend(cluster, none, INTERNAL | ADDRESS_ONLY | PING, &[]);
        let balancer = name(places.elsewhere);
        scene.frontend(balancer, none, LOAD_BALANCER | ADDRESS_ONLY | PING, &[]);
        for proto in [Proto::TCP, Proto::UDP, Proto::SCTP] {
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
            // Sticky, and for some clients only.
            let guarded = LOAD_BALANCER | SOURCE_RANGES;
            scene.frontend(places.elsewhere, proto, guarded, &all);
            let frontend = scene.frontend_mut(places.elsewhere, proto);
            frontend.affinity_seconds = 86_400;
            let service = frontend.service;
            for client in [roles.client, roles.backend] {
                let bits = if client.is_ipv4() { 32 } else { 128 };
                scene.source_ranges.push((service, client.ip(), bits));
            }
        }
    }
    scene
}

/// A random frame, or one that answers a frame which came out before.
pub(crate) fn frame(rng: &mut Rng, echoes: &[Tuple]) -> Vec<u8> {
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
        let quotes = rng.one_in(4);
        let flags = rng.pick(&[0x02, 0x12, 0x10, 0x18, 0x11, 0x14, 0x04]);
        return match proto {
            Proto::UDP => finish(rng, Frame::udp(src, dst).ttl(ttl).payload(payload), quotes),
            Proto::SCTP => {
                let chunk = match flags {
                    0x02 => Chunk::init(1),
                    0x12 => Chunk::init_ack(2),
                    0x04 | 0x14 => Chunk::abort(),
                    0x11 => Chunk::shutdown_ack(),
                    _ => Chunk::data(1, payload),
                };
                finish(rng, Frame::sctp(src, dst).ttl(ttl).chunk(chunk), quotes)
            }
            _ => finish(
                rng,
                Frame::tcp(src, dst).ttl(ttl).flags(flags).payload(payload),
                quotes,
            ),
        };
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
    endpoints.extend([places.elsewhere; 3]);
    random_frame_between(rng, &endpoints)
}

/// The frame, or an error that the receiver of its answer sends; now and then in pieces.
fn finish<L: Transport>(rng: &mut Rng, frame: Frame<L>, quotes: bool) -> Vec<u8> {
    let built = frame.build();
    if let (true, Some(sent)) = (quotes, tuple(&built)) {
        // The frame is what its receiver would answer: so it is the receiver that is told about it.
        let about = dissect(&built).map(|at| built[at.ip..at.end].to_vec());
        let about = about.unwrap_or_default();
        let error = match rng.below(3) {
            0 => Frame::port_unreachable(sent.dst, sent.src),
            1 => Frame::too_big(sent.dst, sent.src, 1300),
            _ => Frame::time_exceeded(sent.dst, sent.src),
        };
        let limit = about.len().saturating_sub(rng.below(30));
        return error.quoting(&about, limit).build();
    }
    if rng.one_in(4) {
        // So few identifications that pieces meet others of their datagram, in any order.
        let id = rng.below(40) as u16;
        let pieces = frame.dont_fragment(false).id(id).fragments(24);
        return rng.pick(&pieces);
    }
    built
}

/// The programs, each at one of its devices.
pub(crate) fn hops(rng: &mut Rng) -> [(Program, u32); 5] {
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
pub(crate) fn remember(echoes: &mut Vec<Tuple>, exit: &Exit, number: u32) {
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

pub(crate) fn tuple(frame: &[u8]) -> Option<Tuple> {
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
