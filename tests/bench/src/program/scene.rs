//! Services, backends and packets of a case.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use tidegate_abi::{
    Proto,
    frontend::flags::{LOCAL_ONLY, NODE_PORT},
};
use tidegate_frames::frame::Frame;
use tidegate_journeys::{
    scene::Scene,
    textbook::{self, Places},
};

use super::{Case, Kind, LEN};
use crate::driver::{Driver, Plan, side};

/// Backends on another node: a masquerade port is one flow's for each of them.
const REMOTE: u8 = 64;

/// What the driver sends from now on.
pub(super) fn send(
    case: &Case,
    places: &Places,
    kind: Kind,
    flags: Option<u8>,
    driver: &mut Driver,
) -> Result<()> {
    let client = client(case.v6);
    let (src, dst) = match kind {
        Kind::Reply => (places.roles.backend, client),
        Kind::Stranger => (client, places.elsewhere),
        Kind::Known | Kind::New => (client, places.roles.node_port),
    };
    let mut bytes = match flags {
        Some(flags) => Frame::tcp(src, dst).flags(flags).build(),
        None => Frame::udp(src, dst).payload([0; 18]).build(),
    };
    bytes.resize(LEN, 0);
    let mut sides = 0;
    if case.v6 {
        sides |= side::V6;
    }
    if kind == Kind::Reply {
        sides |= side::DESTINATION;
    }
    if flags.is_some() {
        sides |= side::TCP;
    }
    driver.plan(&Plan::of(&bytes, case.flows, sides))?;
    driver.frame = bytes;
    Ok(())
}

/// The first client; the low half of the address and the port differ from flow to flow.
pub(super) fn client(v6: bool) -> SocketAddr {
    let ip: IpAddr = if v6 {
        [0xfd00, 0x7469, 0x200, 0, 0, 0, 0, 0].into()
    } else {
        [10, 200, 0, 0].into()
    };
    SocketAddr::new(ip, 0)
}

pub(super) fn route_clients() -> Result<()> {
    let (v4, v6) = (Places::v4(), Places::v6());
    for (net, via) in [
        ("10.200.0.0/16", v4.neighbour),
        ("fd00:7469:200::/112", v6.neighbour),
    ] {
        let mut ip = std::process::Command::new("ip");
        ip.args(["route", "replace", net, "via", &via.ip().to_string()]);
        let _printed: String = tidegate_rig::output_of(&mut ip)?;
    }
    Ok(())
}

pub(super) fn scene(places: &Places, case: &Case) -> Scene {
    let mut scene = textbook::scene();
    // Nearly all ports: a million flows go to a few backends.
    (scene.settings.masquerade_min, scene.settings.masquerade_max) = (1024, 65_535);
    let proto = if case.tcp { Proto::TCP } else { Proto::UDP };
    let ids: Vec<_> = if case.remote {
        (0..REMOTE)
            .map(|n| scene.backend(remote(places, n)))
            .collect()
    } else {
        vec![scene.backend(places.roles.backend)]
    };
    // Replies to masqueraded clients come in by the uplink again, those of a pod to the client itself do not.
    let flags = if case.kind == Kind::Reply {
        NODE_PORT | LOCAL_ONLY
    } else {
        NODE_PORT
    };
    for number in 1..case.services {
        scene.frontend(other(case.v6, number), proto, flags, &ids[..1]);
    }
    scene.frontend(places.roles.node_port, proto, flags, &ids);
    scene
}

/// Where a Service that nobody dials is.
fn other(v6: bool, number: u32) -> SocketAddr {
    let [a, b] = [(number >> 16) as u16, number as u16];
    let ip: IpAddr = if v6 {
        [0xfd00, 0x7469, 0x97, 0, 0, 0, a, b].into()
    } else {
        std::net::Ipv4Addr::from_bits(0x0a61_0000 + number).into()
    };
    SocketAddr::new(ip, 80)
}

fn remote(places: &Places, number: u8) -> SocketAddr {
    let at = places.roles.remote_backend;
    let ip = match at.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::from([a, b, c, 10 + number])
        }
        IpAddr::V6(ip) => {
            let mut segments = ip.segments();
            segments[7] = 0x10 + u16::from(number);
            segments.into()
        }
    };
    SocketAddr::new(ip, at.port())
}
