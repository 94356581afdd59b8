//! What the oracle expects of a packet that was translated or answered.

use std::collections::HashMap;
use std::net::IpAddr;

use tidegate_abi::{Proto, Reason, flow::flags};
use tidegate_datapath::{Door, Route};
use tidegate_frames::oracle::{
    Related, Rewrite,
    dissect::{Anatomy, Piece, dissect},
    expected_echo_reply, expected_reset, expected_unreachable, quoted_endpoints,
    translate_fragment, translate_icmp_error,
};
use tidegate_journeys::{
    Scene,
    machine::{Exit, Program},
    on_host::HostMachine,
    record::{Record, Tuple},
    textbook,
};

use super::frames::tuple;

/// The ports of datagrams whose first piece has been seen.
#[derive(Default)]
pub(super) struct Datagrams(HashMap<(IpAddr, IpAddr, Vec<u8>), Tuple>);

impl Datagrams {
    /// Remembers the ports of a first piece that tc has seen.
    pub(super) fn note(&mut self, exit: &Exit) {
        let Ok(anatomy) = dissect(&exit.sent) else {
            return;
        };
        let has_ports = matches!(Proto(anatomy.protocol), Proto::TCP | Proto::UDP);
        let is_first = anatomy.piece == Piece::First && has_ports;
        if exit.program == Program::XdpUplink || !is_first {
            return;
        }
        if let Some(tuple) = tuple(&exit.sent) {
            self.0.insert(name(&exit.sent, &anatomy), tuple);
        }
    }

    /// The tuple of a packet, or of the datagram that it is a piece of.
    fn tuple(&self, frame: &[u8]) -> Tuple {
        let anatomy = dissect(frame).expect("a translated packet can be read");
        let found = match anatomy.piece {
            Piece::Later => self.0.get(&name(frame, &anatomy)).copied(),
            _ => tuple(frame),
        };
        found.expect("a translated packet has a tuple")
    }
}

/// What the pieces of a datagram share: addresses and identification; in IPv4 the protocol too.
fn name(frame: &[u8], anatomy: &Anatomy) -> (IpAddr, IpAddr, Vec<u8>) {
    let id = if anatomy.is_v6() {
        // Whatever follows the fragment header, it is the last header of a later piece and holds the
        // identification of a first one: both are found from the IPv6 header on.
        fragment_id(&frame[anatomy.ip..])
    } else {
        let at = anatomy.ip + 4;
        vec![frame[at], frame[at + 1], anatomy.protocol]
    };
    (anatomy.src, anatomy.dst, id)
}

/// The identification in an IPv6 packet's fragment header.
fn fragment_id(packet: &[u8]) -> Vec<u8> {
    let (mut number, mut at) = (packet[6], 40);
    while number != 44 {
        number = packet[at];
        at += 8 + 8 * usize::from(packet[at + 1]);
    }
    packet[at + 4..at + 8].to_vec()
}

/// What the packet's record says, carried out by the oracle; the record must make sense too.
pub(super) fn translation(
    host: &HostMachine,
    scene: &Scene,
    seen: &Datagrams,
    exit: &Exit,
) -> Vec<u8> {
    let ttl_minus = u8::from(exit.door != Some(Door::Stack));
    if exit.reason == Some(Reason::IcmpError) {
        return error(host, exit, ttl_minus);
    }
    let key = seen.tuple(&exit.sent);
    let Record {
        out,
        flags,
        backend: id,
        ..
    } = record(host, &key);
    let reply = flags & flags::REPLY != 0;
    let (frontend, backend) = if reply {
        (out.src, key.src)
    } else {
        (key.dst, out.dst)
    };
    if id == 0 {
        // A direct flow beside one through a Service (trap T10): only the client's port is another.
        assert_eq!(frontend, backend);
    } else {
        let mut frontends = scene.frontends.iter();
        assert!(frontends.any(|(at, proto, _)| (*at, *proto) == (frontend, key.proto)));
        let mut backends = scene.backends.iter();
        assert!(backends.any(|endpoint| endpoint.at == backend), "{backend}");
    }
    let macs = match textbook::network().route(out.dst.ip(), 0) {
        Route::Via {
            macs: Some(macs), ..
        } if exit.door == Some(Door::Transmit) => {
            let ends = macs.as_chunks::<6>().0;
            Some((ends[1], ends[0]))
        }
        _ => None,
    };
    let rewrite = Rewrite {
        src: out.src,
        dst: out.dst,
        ttl_minus,
        macs,
    };
    let masqueraded = flags & (flags::MASQUERADE | flags::REPLY) == flags::MASQUERADE;
    let mask = if masqueraded { out.src.port() } else { 0 };
    translate_fragment(&exit.sent, rewrite, mask)
}

fn error(host: &HostMachine, exit: &Exit, ttl_minus: u8) -> Vec<u8> {
    let (proto, src, dst) = quoted_endpoints(&exit.sent).expect("a translated error quotes ports");
    let key = Tuple {
        proto: Proto(proto),
        src: dst,
        dst: src,
    };
    let Record { out, flags, .. } = record(host, &key);
    let anatomy = dissect(&exit.sent).expect("a translated error can be read");
    let hides = flags & (flags::REPLY | flags::MASQUERADE) != 0;
    let related = Related {
        src: if hides { out.src.ip() } else { anatomy.src },
        dst: out.dst.ip(),
        quoted_src: out.dst,
        quoted_dst: out.src,
        ttl_minus,
        macs: None,
    };
    translate_icmp_error(&exit.sent, related)
}

fn record(host: &HostMachine, key: &Tuple) -> Record {
    host.record(key)
        .unwrap_or_else(|| panic!("no record of {key:?}"))
}

/// The reset, the error or the reply that the reason asks for.
pub(super) fn answer(exit: &Exit, reason: Reason) -> Vec<u8> {
    let anatomy = dissect(&exit.sent).expect("an answered packet can be read");
    let error = |v4: [u8; 2], v6: [u8; 2], mtu| {
        let [kind, code] = if anatomy.is_v6() { v6 } else { v4 };
        expected_unreachable(&exit.sent, kind, code, mtu)
    };
    match reason {
        Reason::TtlExceeded => error([11, 0], [3, 0], None),
        Reason::TooBig => error([3, 4], [2, 0], Some(textbook::NARROW_MTU)),
        Reason::NoRoute => error([3, 1], [1, 0], None),
        Reason::PingAnswered => expected_echo_reply(&exit.sent),
        _ if anatomy.protocol == Proto::TCP.0 => expected_reset(&exit.sent),
        _ => error([3, 3], [1, 4], None),
    }
}
