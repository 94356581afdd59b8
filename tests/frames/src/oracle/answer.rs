//! The answers a node gives in a service's place: TCP resets and ICMP errors.
//!
//! Which frame deserves an answer is the rules' affair. Here an empty answer only means that there
//! can be none: the frame cannot be read, or is not of the needed kind.

use std::net::SocketAddr;

use super::dissect::{Anatomy, Piece, dissect};
use crate::frame::tcp::{ACK, FIN, RST, SYN};
use crate::frame::{Frame, Transport};

/// No more of a packet than this is quoted: with both headers that stays below the 576 bytes of
/// RFC 1812 section 4.3.2.3, and far below IPv6's 1280.
pub const QUOTE: usize = 512;

/// The reset that answers a segment to a closed port (RFC 9293 section 3.10.7.1): cards, addresses
/// and ports swapped, tags kept, window 0, time to live 64, nothing optional. Empty when there is
/// none: not a whole TCP segment, or itself a reset.
pub fn expected_reset(frame: &[u8]) -> Vec<u8> {
    reset(frame).unwrap_or_default()
}

fn reset(frame: &[u8]) -> Option<Vec<u8>> {
    let anatomy = dissect(frame).ok()?;
    let segment = &frame[anatomy.transport..anatomy.end];
    let header: [u8; 20] = *segment.first_chunk()?;
    let header_length = usize::from(header[12] >> 4) * 4;
    let flags = header[13];
    let whole = anatomy.protocol == 6 && anatomy.piece == Piece::Whole;
    if !whole || header_length < 20 || header_length > segment.len() || flags & RST != 0 {
        return None;
    }
    let [
        src_high,
        src_low,
        dst_high,
        dst_low,
        s0,
        s1,
        s2,
        s3,
        a0,
        a1,
        a2,
        a3,
        ..,
    ] = header;
    let client = SocketAddr::new(anatomy.src, u16::from_be_bytes([src_high, src_low]));
    let service = SocketAddr::new(anatomy.dst, u16::from_be_bytes([dst_high, dst_low]));
    let seq = u32::from_be_bytes([s0, s1, s2, s3]);
    let ack = u32::from_be_bytes([a0, a1, a2, a3]);
    let in_order = (segment.len() - header_length) as u32
        + u32::from(flags & SYN != 0)
        + u32::from(flags & FIN != 0);
    let answer = Frame::tcp(service, client).window(0);
    let answer = match flags & ACK {
        0 => answer
            .flags(RST | ACK)
            .seq(0)
            .ack(seq.wrapping_add(in_order)),
        _ => answer.flags(RST).seq(ack).ack(0),
    };
    Some(addressed(answer, &anatomy, frame).build())
}

/// The ICMP or ICMPv6 error about `frame`, from its destination to its source: cards swapped, tags
/// kept, time to live 64, quoting at most [`QUOTE`] bytes from its IP header on. `mtu` goes where
/// "packet too big" has it. Empty when the frame is not a readable IP packet.
pub fn expected_unreachable(frame: &[u8], kind: u8, code: u8, mtu: Option<u32>) -> Vec<u8> {
    let Ok(anatomy) = dissect(frame) else {
        return Vec::new();
    };
    let (src, dst) = (
        SocketAddr::new(anatomy.dst, 0),
        SocketAddr::new(anatomy.src, 0),
    );
    let answer = Frame::icmp(src, dst, kind, code)
        .mtu(mtu.unwrap_or(0))
        .quoting(&frame[anatomy.ip..anatomy.end], QUOTE);
    addressed(answer, &anatomy, frame).build()
}

/// What both answers share.
fn addressed<L: Transport>(answer: Frame<L>, anatomy: &Anatomy, frame: &[u8]) -> Frame<L> {
    let mac = |at: usize| [0, 1, 2, 3, 4, 5].map(|byte| frame[at + byte]);
    let answer = answer
        .macs(mac(0), mac(6))
        .ttl(64)
        .id(0)
        .tos(0)
        .flow_label(0);
    let answer = answer.dont_fragment(true);
    anatomy.tags.iter().fold(answer, |answer, [a, b, c, d]| {
        answer.tag(u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
    })
}
