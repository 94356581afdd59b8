//! Address translation the naive way: put the new values in, then sum everything again.

use std::net::{IpAddr, SocketAddr};

use super::checksum::{icmpv6, ipv4_header, tcp, udp};
use super::crc32c;
use super::dissect::{Anatomy, Piece, dissect};
use super::preserve;

/// What to change. Addresses and ports are the new ones, whether they differ or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The new source.
    pub src: SocketAddr,
    /// The new destination.
    pub dst: SocketAddr,
    /// How much to take from the time to live, or hop limit.
    pub ttl_minus: u8,
    /// The new source and destination card, if they change.
    pub macs: Option<([u8; 6], [u8; 6])>,
}

/// The frame after `rewrite`, its checksums summed from scratch: right ones stay right, and wrong
/// ones *become right*, see [`super::translate_preserving_error`] for frames that may be wrong.
///
/// A UDP checksum of zero stays zero (over IPv6 too, where it was and stays invalid), and so does
/// SCTP's: the network card fills it in. Later fragments carry no ports. A first fragment holds
/// only part of what its transport checksum covers, so that one is shifted by the difference, as it
/// is when UDP's length field lies.
///
/// What no data path may translate comes back unchanged: not IP, the other family, cut short,
/// less time to live than to take away; the ports of SCTP's first fragments, since what they do to
/// the checksum depends on how much follows.
pub fn translate(frame: &[u8], rewrite: Rewrite) -> Vec<u8> {
    let Some((anatomy, mut out)) = edit(frame, &rewrite) else {
        return frame.to_vec();
    };
    if !anatomy.is_v6() {
        let sum = ipv4_header(&out[anatomy.ip..anatomy.transport]);
        put(&mut out, anatomy.ip + 10, sum.to_be_bytes());
    }
    if has_crc(&anatomy, frame) {
        let crc = crc32c::sctp(&out[anatomy.transport..anatomy.end]);
        put(&mut out, anatomy.transport + crc32c::FIELD.start, crc);
    }
    let Some(at) = checksum_field(&anatomy) else {
        return out;
    };
    let body = &out[anatomy.transport..anatomy.end];
    let new = renewed(&anatomy, &rewrite);
    let sum = match anatomy.protocol {
        _ if anatomy.piece != Piece::Whole => preserve::transport(frame, &out, &anatomy, &new),
        17 if out[at..at + 2] == [0, 0] => 0,
        17 if usize::from(u16::from_be_bytes([body[4], body[5]])) != body.len() => {
            preserve::transport(frame, &out, &anatomy, &new)
        }
        17 => udp(new.src, new.pseudo_dst(), body),
        6 => tcp(new.src, new.pseudo_dst(), body),
        _ => icmpv6(new.src, new.pseudo_dst(), body),
    };
    put(&mut out, at, sum.to_be_bytes());
    out
}

/// The frame with all fields replaced and all checksums as they were; `None` if it must not be
/// touched.
pub(crate) fn edit(frame: &[u8], rewrite: &Rewrite) -> Option<(Anatomy, Vec<u8>)> {
    let anatomy = dissect(frame).ok()?;
    let mut out = frame.to_vec();
    if let Some((src, dst)) = rewrite.macs {
        put(&mut out, 0, dst);
        put(&mut out, 6, src);
    }
    let ttl_at = anatomy.ip + if anatomy.is_v6() { 7 } else { 8 };
    out[ttl_at] = out[ttl_at].checked_sub(rewrite.ttl_minus)?;
    match (anatomy.is_v6(), rewrite.src.ip(), rewrite.dst.ip()) {
        (false, IpAddr::V4(src), IpAddr::V4(dst)) => {
            put(&mut out, anatomy.ip + 12, src.octets());
            put(&mut out, anatomy.ip + 16, dst.octets());
        }
        (true, IpAddr::V6(src), IpAddr::V6(dst)) => {
            put(&mut out, anatomy.ip + 8, src.octets());
            put(&mut out, anatomy.ip + 24, dst.octets());
        }
        _ => return None,
    }
    let smallest = match anatomy.protocol {
        6 => 20,
        17 => 8,
        58 if anatomy.is_v6() => 4,
        132 => 12,
        _ => 0,
    };
    if anatomy.piece != Piece::Later && anatomy.end - anatomy.transport < smallest {
        return None;
    }
    if anatomy.piece != Piece::Later && matches!(anatomy.protocol, 6 | 17 | 132) {
        let ports = anatomy.transport..anatomy.transport + 4;
        let (src, dst) = (rewrite.src.port(), rewrite.dst.port());
        put(&mut out, ports.start, src.to_be_bytes());
        put(&mut out, ports.start + 2, dst.to_be_bytes());
        let is_changed = out[ports.clone()] != frame[ports];
        if anatomy.protocol == 132 && anatomy.piece == Piece::First && is_changed {
            return None;
        }
    }
    Some((anatomy, out))
}

/// Whether there is a CRC that must follow a change.
pub(crate) fn has_crc(anatomy: &Anatomy, frame: &[u8]) -> bool {
    let at = anatomy.transport + crc32c::FIELD.start;
    anatomy.protocol == 132 && anatomy.piece == Piece::Whole && frame[at..at + 4] != [0; 4]
}

/// Where the transport checksum that covers the addresses stands, if there is one.
pub(crate) fn checksum_field(anatomy: &Anatomy) -> Option<usize> {
    match (anatomy.piece, anatomy.protocol, anatomy.is_v6()) {
        (Piece::Later, _, _) => None,
        (_, 6, _) => Some(anatomy.transport + 16),
        (_, 17, _) => Some(anatomy.transport + 6),
        (_, 58, true) => Some(anatomy.transport + 2),
        _ => None,
    }
}

/// The anatomy of the translated frame.
pub(crate) fn renewed(anatomy: &Anatomy, rewrite: &Rewrite) -> Anatomy {
    Anatomy {
        src: rewrite.src.ip(),
        dst: rewrite.dst.ip(),
        ..anatomy.clone()
    }
}

/// Overwrites; the caller has seen that the bytes are there.
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}
