//! ICMP errors about translated packets: the quote must show what the receiver sent (rule 5.5.1).
//!
//! The quoted packet is filled up with zeros to the length that it states, translated like any
//! other, and cut off again. So a quote may end anywhere.

use std::net::{IpAddr, SocketAddr};

use super::crc32c;
use super::dissect::{Anatomy, Piece, dissect};
use super::preserve::{reseal, reseal_message, translate_preserving_error};
use super::translate::{Rewrite, checksum_field, edit, renewed, translate};
use super::verify::{quote_range, verify};

/// What to change in an ICMP error. Everything is the new value, whether it differs or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Related {
    /// The error's source.
    pub src: IpAddr,
    /// The error's destination.
    pub dst: IpAddr,
    /// The quoted packet's source.
    pub quoted_src: SocketAddr,
    /// The quoted packet's destination.
    pub quoted_dst: SocketAddr,
    /// How much to take from the error's own time to live; the quote shows its own as it was.
    pub ttl_minus: u8,
    /// The new source and destination card, if they change.
    pub macs: Option<([u8; 6], [u8; 6])>,
}

/// The error after `related`. A quoted packet that is all there and right is summed from scratch;
/// every other checksum is shifted by what changed under it, as in [`translate_preserving_error`],
/// and one that the quote cuts in two stays as it is.
///
/// Comes back unchanged when it is no ICMP error, quotes no IP header, or [`translate`] says so.
pub fn translate_icmp_error(frame: &[u8], related: Related) -> Vec<u8> {
    changed(frame, &related).unwrap_or_else(|| frame.to_vec())
}

fn changed(frame: &[u8], related: &Related) -> Option<Vec<u8>> {
    let anatomy = dissect(frame).ok()?;
    let range = quote_range(&anatomy, &frame[anatomy.transport..anatomy.end])?;
    let range = anatomy.transport + range.start..anatomy.transport + range.end;
    let mut out = frame.to_vec();
    let quote = translate_quote(&frame[range.clone()], related)?;
    out[range].copy_from_slice(&quote);
    // The addresses, the time to live and the cards, by the way that all packets go.
    let outer = Rewrite {
        src: SocketAddr::new(related.src, 0),
        dst: SocketAddr::new(related.dst, 0),
        ttl_minus: related.ttl_minus,
        macs: related.macs,
    };
    let mut out = edit(&out, &outer)?.1;
    let moved = renewed(&anatomy, &outer);
    reseal_message(frame, &mut out, &anatomy, &moved);
    if !anatomy.is_v6() {
        reseal(frame, &mut out, &anatomy);
    }
    Some(out)
}

/// Protocol, source and destination of the packet that an ICMP error quotes, if its ports are there.
pub fn quoted_endpoints(frame: &[u8]) -> Option<(u8, SocketAddr, SocketAddr)> {
    let anatomy = dissect(frame).ok()?;
    let message = &frame[anatomy.transport..anatomy.end];
    let quote = &message[quote_range(&anatomy, message)?];
    let whole = filled_up(quote, anatomy.is_v6())?;
    let inner = dissect(&whole).ok()?;
    let has_ports = inner.piece != Piece::Later && matches!(inner.protocol, 6 | 17 | 132);
    let [a, b, c, d] = *quote.get(inner.transport - 14..)?.first_chunk()?;
    let (src, dst) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    has_ports.then_some((
        inner.protocol,
        SocketAddr::new(inner.src, src),
        SocketAddr::new(inner.dst, dst),
    ))
}

/// A quote in a frame of its own, with zeros for what is missing of the packet.
fn filled_up(quote: &[u8], v6: bool) -> Option<Vec<u8>> {
    let mut whole = framed(quote, v6);
    let stated = match v6 {
        true => 40 + usize::from(u16::from_be_bytes([*quote.get(4)?, *quote.get(5)?])),
        false => usize::from(u16::from_be_bytes([*quote.get(2)?, *quote.get(3)?])),
    };
    whole.resize(whole.len().max(14 + stated), 0);
    Some(whole)
}

fn framed(quote: &[u8], v6: bool) -> Vec<u8> {
    let ethertype = if v6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    [&[0; 12], &ethertype[..], quote].concat()
}

/// The quote with other endpoints, as long as it was.
fn translate_quote(quote: &[u8], related: &Related) -> Option<Vec<u8>> {
    let v6 = related.src.is_ipv6();
    let complete = verify(&framed(quote, v6)).is_ok();
    let whole = filled_up(quote, v6)?;
    let anatomy = dissect(&whole).ok()?;
    let rewrite = Rewrite {
        src: related.quoted_src,
        dst: related.quoted_dst,
        ttl_minus: 0,
        macs: None,
    };
    let mut out = match complete {
        true => translate(&whole, rewrite),
        false => translate_preserving_error(&whole, rewrite),
    };
    let end = 14 + quote.len();
    if let Some(field) = checksum_place(&anatomy).filter(|field| field.contains(&(end - 1))) {
        let there = field.start..end.min(field.end);
        if end < field.end {
            out[there.clone()].copy_from_slice(&whole[there]);
        }
    }
    (end >= anatomy.transport + 4).then(|| out[14..end].to_vec())
}

/// The bytes of the transport checksum.
fn checksum_place(anatomy: &Anatomy) -> Option<std::ops::Range<usize>> {
    let crc = anatomy.transport + crc32c::FIELD.start..anatomy.transport + crc32c::FIELD.end;
    match anatomy.protocol {
        132 => Some(crc),
        _ => checksum_field(anatomy).map(|at| at..at + 2),
    }
}
