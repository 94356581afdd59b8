//! The answers a node gives in a service's place: TCP resets, ICMP errors and echo replies.
//!
//! Which frame deserves an answer is the rules' affair. Here an empty answer only means that there
//! can be none: the frame cannot be read, or is not of the needed kind.

use std::net::SocketAddr;

use super::dissect::{Anatomy, Piece, dissect};
use super::preserve::{reseal, reseal_message};
use super::translate::put;
use crate::frame::tcp::{ACK, FIN, RST, SYN};
use crate::frame::{Frame, Transport};

/// No more of a packet than this is quoted: with both headers that stays below the 576 bytes of
/// RFC 1812 section 4.3.2.3, and far below IPv6's 1280.
pub const QUOTE: usize = 512;

/// The reset that answers a segment to a closed port (RFC 9293 section 3.10.7.1): cards, addresses
/// and ports swapped, tags kept, window 0, time to live 64, nothing optional. Of a segment in pieces
/// the first one is answered as if it were all. Empty when there is none: no TCP header, or itself a
/// reset.
pub fn expected_reset(frame: &[u8]) -> Vec<u8> {
    reset(frame).unwrap_or_default()
}

fn reset(frame: &[u8]) -> Option<Vec<u8>> {
    let anatomy = dissect(frame).ok()?;
    let segment = &frame[anatomy.transport..anatomy.end];
    let header: [u8; 20] = *segment.first_chunk()?;
    let header_length = usize::from(header[12] >> 4) * 4;
    let flags = header[13];
    let is_tcp = anatomy.protocol == 6 && anatomy.piece != Piece::Later;
    if !is_tcp || header_length < 20 || header_length > segment.len() || flags & RST != 0 {
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

/// The reply to a ping (RFC 792, RFC 4443 section 4.2): cards and addresses swapped, time to live
/// 64; tags, identifier, sequence number, data, padding and the rest of the header as they came,
/// checksums as right as they were. Empty when the frame is no whole echo request.
pub fn expected_echo_reply(frame: &[u8]) -> Vec<u8> {
    echo_reply(frame).unwrap_or_default()
}

fn echo_reply(frame: &[u8]) -> Option<Vec<u8>> {
    let anatomy = dissect(frame).ok()?;
    let message = anatomy.transport..anatomy.end;
    let (request, reply) = if anatomy.is_v6() { (128, 129) } else { (8, 0) };
    let is_icmp = anatomy.protocol == if anatomy.is_v6() { 58 } else { 1 };
    let [kind, ..] = *frame[message.clone()].first_chunk::<8>()?;
    if !is_icmp || anatomy.piece != Piece::Whole || kind != request {
        return None;
    }
    let mut out = frame.to_vec();
    put(&mut out, 0, mac(frame, 6));
    put(&mut out, 6, mac(frame, 0));
    let (size, src_at) = if anatomy.is_v6() { (16, 8) } else { (4, 12) };
    let (src, dst) = (anatomy.ip + src_at, anatomy.ip + src_at + size);
    out[src..dst].copy_from_slice(&frame[dst..dst + size]);
    out[dst..dst + size].copy_from_slice(&frame[src..dst]);
    out[anatomy.ip + if anatomy.is_v6() { 7 } else { 8 }] = 64;
    out[anatomy.transport] = reply;
    let turned = Anatomy {
        src: anatomy.dst,
        dst: anatomy.src,
        ..anatomy.clone()
    };
    reseal_message(frame, &mut out, &anatomy, &turned);
    if !anatomy.is_v6() {
        reseal(frame, &mut out, &anatomy);
    }
    Some(out)
}

fn mac(frame: &[u8], at: usize) -> [u8; 6] {
    [0, 1, 2, 3, 4, 5].map(|byte| frame[at + byte])
}

/// What the made answers share.
fn addressed<L: Transport>(answer: Frame<L>, anatomy: &Anatomy, frame: &[u8]) -> Frame<L> {
    let answer = answer
        .macs(mac(frame, 0), mac(frame, 6))
        .ttl(64)
        .id(0)
        .tos(0)
        .flow_label(0);
    let answer = answer.dont_fragment(true);
    anatomy.tags.iter().fold(answer, |answer, [a, b, c, d]| {
        answer.tag(u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
    })
}
