//! The nodes on which packets are explained, and the packets.

use std::net::SocketAddr;

use tidegate_abi::settings::flags::{EXTERNAL_CLUSTER_IP, MASQUERADE_ALL};
use tidegate_explain::described::{Described, Transport};
use tidegate_frames::{Frame, Rng, oracle::dissect::dissect};
use tidegate_journeys::{
    Scene,
    machine::Program,
    record::Tuple,
    textbook::{NARROW, OVERLAY, POD, Places, SIBLING, UPLINK},
};

use crate::both_alike::frames::{frame, scene, tuple};

/// A node with every kind of frontend; the first has few masquerade ports.
pub(super) fn node(number: u32) -> Scene {
    let mut scene = scene();
    scene.settings.masquerade_max = 61_003;
    if number % 2 == 1 {
        scene.settings.masquerade_max = 61_999;
        scene.settings.flags |= EXTERNAL_CLUSTER_IP;
    }
    if number >= 2 {
        scene.settings.flags |= MASQUERADE_ALL;
    }
    scene
}

/// A frame of any kind; or one that a client sends to a Service.
pub(super) fn packet(rng: &mut Rng, echoes: &[Tuple], sent_on: &[Vec<u8>]) -> Vec<u8> {
    if !sent_on.is_empty()
        && rng.one_in(20)
        && let Some(error) = told_off(&rng.pick(sent_on))
    {
        return error;
    }
    if !rng.one_in(3) {
        return frame(rng, echoes);
    }
    let places = if rng.one_in(2) {
        Places::v4()
    } else {
        Places::v6()
    };
    let roles = places.roles;
    let at = |of: SocketAddr, port| SocketAddr::new(of.ip(), port);
    let frontends = [
        roles.service,
        at(roles.service, 443),
        at(roles.service, 81),
        roles.node_port,
        at(roles.node_port, 30_009),
        at(roles.node_port, 30_010),
        places.second_node_port,
        places.elsewhere,
        places.elsewhere,
        places.unowned,
        places.lost_backend,
    ];
    let clients = [
        roles.client,
        places.neighbour,
        roles.backend,
        places.sibling,
    ];
    // So few ports that flows are met again.
    let port = 40_000 + rng.below(100) as u16;
    let transports = [
        Transport::Tcp(0x02),
        Transport::Tcp(0x02),
        Transport::Tcp(rng.pick(&[0x10, 0x11, 0x04])),
        Transport::Udp,
        Transport::Udp,
        Transport::Sctp,
        Transport::Echo,
    ];
    let described = Described {
        from: at(rng.pick(&clients), port),
        to: rng.pick(&frontends),
        transport: rng.pick(&transports),
        length: if rng.one_in(4) {
            1_290 + rng.below(30) as u16
        } else {
            0
        },
    };
    described.frame().expect("both are of one family")
}

/// What a packet that was sent on brings back from a host that does not want it.
fn told_off(sent_on: &[u8]) -> Option<Vec<u8>> {
    let Tuple { src, dst, .. } = tuple(sent_on)?;
    let anatomy = dissect(sent_on).ok()?;
    let quoted = &sent_on[anatomy.ip..anatomy.end];
    let error = Frame::port_unreachable(dst, src).quoting(quoted, quoted.len());
    Some(error.build())
}

/// The programs of a device, and which device.
pub(super) fn hop(rng: &mut Rng) -> (&'static [Program], u32) {
    let uplink = rng.pick(&[UPLINK, UPLINK, NARROW]);
    match rng.below(5) {
        0 => (&[Program::TcUplink], uplink),
        1 => (&[Program::XdpUplink, Program::TcUplink], uplink),
        2 => (&[Program::TcOverlay], OVERLAY),
        3 if rng.one_in(4) => (&[Program::TcHost], uplink),
        _ => (&[Program::TcPod], rng.pick(&[POD, SIBLING])),
    }
}
