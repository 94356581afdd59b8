//! Frames of every kind, right, cut off and damaged, to compare two implementations on.

use std::net::{Ipv6Addr, SocketAddr};

use crate::frame::{Checksum, Chunk, Extension, Frame, Raw, Transport, non_ip};
use crate::oracle::dissect::link;
use crate::rng::Rng;
use crate::roles::Roles;

/// The kernel's test run takes no frame below an Ethernet header.
pub const SHORTEST: usize = 14;
/// The most payload a frame gets; all frames stay below 2048 bytes.
pub const LONGEST_PAYLOAD: usize = 1400;

/// No operation, router alert, record route, an unknown one. Not source routes: with those the
/// pseudo-header names another address than the header (RFC 1122 section 4.1.3.3).
const IP_OPTIONS: [&[u8]; 4] = [
    &[1, 1, 1, 1],
    &[148, 4, 0, 0],
    &[7, 7, 4, 0, 0, 0, 0, 1],
    &[0x5e, 4, 0xca, 0xfe],
];

/// A frame between two of the usual roles, of either family.
pub fn random_frame(rng: &mut Rng) -> Vec<u8> {
    let roles = if rng.one_in(2) {
        Roles::v4()
    } else {
        Roles::v6()
    };
    random_frame_between(rng, &roles.all())
}

/// A frame between two of `endpoints` (of one family), or by chance a random port. About half of
/// the frames are entirely right; the others are cut off, damaged in a few bytes, or noise.
///
/// # Panics
/// When there are no endpoints.
pub fn random_frame_between(rng: &mut Rng, endpoints: &[SocketAddr]) -> Vec<u8> {
    let mut frame = valid_frame_between(rng, endpoints);
    match rng.below(8) {
        0 => cut(rng, &mut frame),
        1 => damage(rng, &mut frame),
        2 => damage_headers(rng, &mut frame),
        3 if rng.one_in(4) => {
            let length = SHORTEST + rng.below(200);
            frame = rng.bytes(length);
        }
        _ => {}
    }
    frame
}

/// A frame whose lengths and checksums are right (UDP over IPv4 may have none).
///
/// # Panics
/// When there are no endpoints.
pub fn valid_frame_between(rng: &mut Rng, endpoints: &[SocketAddr]) -> Vec<u8> {
    let (src, dst) = two(rng, endpoints);
    let payload = payload(rng);
    match rng.below(13) {
        0..=4 => {
            let frame = Frame::tcp(src, dst)
                .flags(tcp_flags(rng))
                .seq(rng.next_u32());
            let frame = frame.ack(rng.next_u32()).window(rng.next_u16());
            let length = 4 * rng.below(11);
            let options = rng.bytes(length);
            dress(rng, frame.options(&options).payload(payload))
        }
        5..=8 => {
            let none = src.is_ipv4() && rng.one_in(4);
            let checksum = if none {
                Checksum::Zero
            } else {
                Checksum::Right
            };
            dress(
                rng,
                Frame::udp(src, dst).payload(payload).checksum(checksum),
            )
        }
        9 => {
            let id = rng.next_u16();
            dress(rng, Frame::echo(src, dst, id, 1).payload(payload))
        }
        10 => icmp_error(rng, src, dst, &payload),
        11 => sctp(rng, src, dst, &payload),
        _ if rng.one_in(2) => non_ip(rng.pick(&[0x0806, 0x88cc, 0x0801]), &payload),
        _ => {
            let frame: Frame<Raw> = Frame::raw(src, dst, rng.pick(&[2, 47, 50, 51, 255]));
            dress(rng, frame.payload(payload))
        }
    }
}

fn two(rng: &mut Rng, endpoints: &[SocketAddr]) -> (SocketAddr, SocketAddr) {
    let (mut src, mut dst) = (rng.pick(endpoints), rng.pick(endpoints));
    if rng.one_in(2) {
        src.set_port(rng.next_u16());
    }
    if rng.one_in(8) {
        dst.set_port(rng.next_u16());
    }
    (src, dst)
}

fn payload(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.below(4) {
        0 => 0,
        1 => rng.below(LONGEST_PAYLOAD),
        _ => rng.below(64),
    };
    rng.bytes(length)
}

fn tcp_flags(rng: &mut Rng) -> u8 {
    match rng.below(4) {
        0 => 0x02,
        1 => 0x10,
        2 => rng.pick(&[0x11, 0x12, 0x14, 0x04, 0x18]),
        _ => rng.next_u8(),
    }
}

fn sctp(rng: &mut Rng, src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let chunk = match rng.below(8) {
        0 => Chunk::init(rng.next_u32()),
        1 => Chunk::init_ack(rng.next_u32()),
        2 => Chunk::abort(),
        3 => Chunk::shutdown_complete(),
        _ => Chunk::data(rng.next_u32(), payload),
    };
    dress(rng, Frame::sctp(src, dst).chunk(chunk))
}

fn icmp_error(rng: &mut Rng, src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let quoted = match rng.one_in(2) {
        true => Frame::tcp(dst, src).payload(payload).build_packet(),
        false => Frame::udp(dst, src).payload(payload).build_packet(),
    };
    let frame = match rng.below(3) {
        0 => Frame::port_unreachable(src, dst),
        1 => Frame::too_big(src, dst, 1280 + u32::from(rng.next_u8())),
        _ => Frame::time_exceeded(src, dst),
    };
    // At least a header and eight bytes, which is what RFC 792 asks for.
    let limit = if src.is_ipv4() { 28 } else { 48 } + rng.below(500);
    dress(rng, frame.quoting(&quoted, limit))
}

/// Tags, options, extension headers, fragments, padding: what may surround any transport.
fn dress<L: Transport>(rng: &mut Rng, frame: Frame<L>) -> Vec<u8> {
    let mut frame = frame
        .ttl(rng.pick(&[64, 64, 255, 128, 2, 1, 0]))
        .id(rng.next_u16());
    for _ in 0..rng.below(8).saturating_sub(5) {
        frame = match rng.one_in(2) {
            true => frame.vlan(rng.next_u16()),
            false => frame.service_vlan(rng.next_u16()),
        };
    }
    if rng.one_in(4) {
        frame = frame.tos(rng.next_u8());
    }
    if rng.one_in(5) {
        frame = surround(rng, frame);
    }
    if rng.one_in(10) {
        let pieces = frame.dont_fragment(false).fragments(8 + rng.below(600));
        return rng.pick(&pieces);
    }
    if rng.one_in(6) {
        frame.pad_to(60).build()
    } else {
        frame.build()
    }
}

fn surround<L: Transport>(rng: &mut Rng, mut frame: Frame<L>) -> Frame<L> {
    if frame.is_v4() {
        let options = (0..1 + rng.below(5)).map(|_| rng.pick(&IP_OPTIONS));
        let options: Vec<u8> = options.flatten().copied().collect();
        return frame.ip_options(&options);
    }
    let via = [Ipv6Addr::new(0xfd00, 0x7469, 1, 0, 0, 0, 0, 3)];
    for _ in 0..1 + rng.below(4) {
        frame = frame.extension(match rng.below(4) {
            0 => Extension::hop_by_hop(1 + rng.next_u8() % 4),
            1 => Extension::destination_options(1 + rng.next_u8() % 4),
            2 => Extension::routing(rng.pick(&[0, 2, 4]), rng.next_u8() % 2, &via),
            _ => Extension::fragment(0, false, rng.next_u32()),
        });
    }
    frame.flow_label(rng.next_u32())
}

fn cut(rng: &mut Rng, frame: &mut Vec<u8>) {
    let length = SHORTEST + rng.below(frame.len().saturating_sub(SHORTEST));
    frame.truncate(length);
}

fn damage(rng: &mut Rng, frame: &mut [u8]) {
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(frame.len());
        frame[at] = rng.next_u8();
    }
}

/// Damage where it matters to a parser: in the first bytes of the IP header and what follows.
fn damage_headers(rng: &mut Rng, frame: &mut [u8]) {
    let start = link(frame).map_or(0, |(_, _, ip)| ip);
    for _ in 0..1 + rng.below(3) {
        let at = start + rng.below(80);
        if let Some(byte) = frame.get_mut(at) {
            *byte = rng.pick(&[0, 1, 4, 6, 8, 17, 0x40, 0x45, 0x4f, 0x60, 0xff]);
        }
    }
}
