//! Frames shaped by input: right ones of every kind, and what can be wrong with them.

use std::net::{Ipv6Addr, SocketAddr};

use tidegate_abi::Proto;
use tidegate_frames::{
    Frame,
    frame::{Checksum, Chunk, Crc, Extension, Transport},
    oracle::dissect::dissect,
};
use tidegate_journeys::record::Tuple;

use crate::input::Input;

/// TCP flags that matter, and some that do not.
const FLAGS: [u8; 10] = [0x02, 0x10, 0x12, 0x18, 0x11, 0x14, 0x04, 0x00, 0x03, 0xff];
const TTLS: [u8; 6] = [64, 64, 64, 2, 1, 0];
/// No operation, router alert, record route, an unknown one; no source routes.
const OPTIONS: [&[u8]; 4] = [
    &[1, 1, 1, 1],
    &[148, 4, 0, 0],
    &[7, 7, 4, 0, 0, 0, 0, 1],
    &[0x5e, 4, 0xca, 0xfe],
];

/// The frames of one packet with this tuple: one, or several pieces in order.
pub(crate) fn packet(input: &mut Input<'_>, tuple: Tuple) -> Vec<Vec<u8>> {
    let Tuple { proto, src, dst } = tuple;
    let payload = payload(input);
    let checksum = input.pick(&[
        Checksum::Right,
        Checksum::Right,
        Checksum::Zero,
        Checksum::Wrong,
    ]);
    match proto {
        Proto::TCP => {
            let frame = Frame::tcp(src, dst).flags(input.pick(&FLAGS)).seq(7);
            let options: &[u8] = input.pick(&[&[][..], &[2, 4, 5, 0xb4]]);
            dress(
                input,
                frame.options(options).checksum(checksum).payload(payload),
            )
        }
        Proto::SCTP => {
            let crc = input.pick(&[Crc::Right, Crc::Right, Crc::Zero, Crc::Wrong]);
            let chunk = chunk(input, &payload);
            dress(input, Frame::sctp(src, dst).chunk(chunk).crc(crc))
        }
        Proto::ICMP => dress(input, Frame::echo(src, dst, 1, 1).payload(payload)),
        Proto::UDP => dress(
            input,
            Frame::udp(src, dst).checksum(checksum).payload(payload),
        ),
        Proto(other) => dress(input, Frame::raw(src, dst, other).payload(payload)),
    }
}

fn payload(input: &mut Input<'_>) -> Vec<u8> {
    // About what the narrow link and the tunnel take, and what none takes.
    let length = match input.below(8) {
        0..=4 => input.below(70),
        5 => 1_220 + input.below(60),
        6 => 1_380 + input.below(60),
        _ => 1_440 + input.below(60),
    };
    vec![input.byte(); length]
}

fn chunk(input: &mut Input<'_>, payload: &[u8]) -> Chunk {
    match input.below(8) {
        0 => Chunk::init(1),
        1 => Chunk::init_ack(2),
        2 => Chunk::abort(),
        3 => Chunk::shutdown_ack(),
        4 => Chunk::shutdown_complete(),
        5 => Chunk::new(input.byte(), 0, payload),
        _ => Chunk::data(1, payload),
    }
}

/// Tags, options, extension headers, pieces, padding.
fn dress<L: Transport>(input: &mut Input<'_>, frame: Frame<L>) -> Vec<Vec<u8>> {
    let mut frame = frame.ttl(input.pick(&TTLS)).id(input.pick(&[1, 1, 2]));
    let extras = input.byte();
    if extras & 1 != 0 {
        frame = frame.vlan(7);
    }
    if extras & 3 == 3 {
        frame = frame.service_vlan(9);
    }
    if extras & 4 != 0 {
        frame = surround(input, frame);
    }
    if extras & 8 != 0 {
        frame = frame.dont_fragment(false);
    }
    match extras >> 4 {
        0 | 1 => frame.fragments(8 + input.below(64)),
        2 => vec![frame.pad_to(60).build()],
        3 => vec![frame.cut_to(14 + input.below(120)).build()],
        _ => vec![frame.build()],
    }
}

fn surround<L: Transport>(input: &mut Input<'_>, mut frame: Frame<L>) -> Frame<L> {
    if frame.is_v4() {
        return frame.ip_options(input.pick(&OPTIONS));
    }
    let via = [Ipv6Addr::new(0xfd00, 0x7469, 1, 0, 0, 0, 0, 3)];
    for _ in 0..1 + input.below(7) {
        frame = frame.extension(match input.below(6) {
            0 => Extension::hop_by_hop(1),
            1 => Extension::destination_options(2),
            2 => Extension::routing(2, 0, &via),
            3 => Extension::routing(2, 1, &via),
            4 => Extension::fragment(0, false, 5),
            _ => Extension::fragment(8, true, 5),
        });
    }
    frame
}

/// An error about a packet that went by before, from somebody on its way.
pub(crate) fn error(input: &mut Input<'_>, about: &[u8], from: SocketAddr) -> Option<Vec<Vec<u8>>> {
    let anatomy = dissect(about).ok()?;
    let sender = SocketAddr::new(anatomy.src, 0);
    if from.is_ipv4() != sender.is_ipv4() {
        return None;
    }
    // Mostly from the packet's receiver.
    let from = input.pick(&[SocketAddr::new(anatomy.dst, 0), from]);
    let error = match input.below(5) {
        0 => Frame::port_unreachable(from, sender),
        1 => Frame::time_exceeded(from, sender),
        2 => Frame::too_big(from, sender, 1_300),
        3 if from.is_ipv4() => Frame::icmp(from, sender, 12, 0),
        3 => Frame::icmp(from, sender, 4, 0),
        _ => Frame::icmp(from, sender, input.byte(), input.byte()),
    };
    let packet = &about[anatomy.ip..anatomy.end];
    let limit = match input.below(4) {
        0 => 28 + input.below(60),
        _ => 548,
    };
    Some(match input.below(6) {
        0 => dress(
            input,
            error.quoting_with_extension(packet, limit, &[0x20, 0, 0, 0]),
        ),
        _ => dress(input, error.quoting(packet, limit)),
    })
}

/// Another byte here and there.
pub(crate) fn damage(input: &mut Input<'_>, frame: &mut [u8]) {
    for _ in 0..1 + input.below(4) {
        let at = input.below(frame.len().min(120));
        if let Some(byte) = frame.get_mut(at) {
            *byte = input.byte();
        }
    }
}

/// The addresses and ports of a frame that has them.
pub(crate) fn tuple(frame: &[u8]) -> Option<Tuple> {
    let anatomy = dissect(frame).ok()?;
    let [a, b, c, d] = *frame.get(anatomy.transport..)?.first_chunk()?;
    Some(Tuple {
        proto: Proto(anatomy.protocol),
        src: SocketAddr::new(anatomy.src, u16::from_be_bytes([a, b])),
        dst: SocketAddr::new(anatomy.dst, u16::from_be_bytes([c, d])),
    })
}

/// The tuple of the answer.
pub(crate) fn turned(tuple: Tuple) -> Tuple {
    Tuple {
        src: tuple.dst,
        dst: tuple.src,
        ..tuple
    }
}
