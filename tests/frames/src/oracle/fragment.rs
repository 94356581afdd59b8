//! One packet in several frames, as a router or a sender makes them (RFC 791 section 2.3, RFC 8200
//! section 4.5), and how the pieces are translated.

use super::checksum::ipv4_header;
use super::dissect::{Anatomy, Piece, dissect};
use super::preserve::{reseal, translate_preserving_error};
use super::translate::{Rewrite, put};

/// What becomes of IPv4 options in fragments behind the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Options {
    /// RFC 791: those whose first bit says so are copied, the others are left out.
    #[default]
    Copied,
    /// All of them are in every fragment.
    All,
}

/// The frames of the packet in `frame` for links of this MTU, identified by `id` (its low half, in
/// IPv4). A packet that fits stays one frame. Padding is left out.
///
/// `Err` when there is no whole packet in the frame, or when the MTU leaves no room for data.
pub fn fragment(
    frame: &[u8],
    mtu: usize,
    id: u32,
    options: Options,
) -> Result<Vec<Vec<u8>>, String> {
    let anatomy = dissect(frame)?;
    if anatomy.piece != Piece::Whole {
        return Err("the packet is a fragment already".to_string());
    }
    let frame = &frame[..anatomy.end];
    if anatomy.end - anatomy.ip <= mtu {
        return Ok(vec![frame.to_vec()]);
    }
    let head = match anatomy.is_v6() {
        true => unfragmentable(frame, &anatomy),
        false => anatomy.transport,
    };
    let extra = if anatomy.is_v6() { 8 } else { 0 };
    let room = mtu.saturating_sub(head - anatomy.ip + extra) / 8 * 8;
    if room == 0 {
        return Err(format!("an MTU of {mtu} leaves no room for data"));
    }
    let body = &frame[head..];
    let last = (body.len() - 1) / room;
    let pieces = body.chunks(room).enumerate();
    let pieces = pieces.map(|(index, data)| {
        let place = (index * room, index != last);
        match anatomy.is_v6() {
            true => v6(frame, &anatomy, head, id, place, data),
            false => v4(frame, &anatomy, id as u16, options, place, data),
        }
    });
    Ok(pieces.collect())
}

/// The translation of a fragment, whose identification becomes another by `mask`: two masqueraded
/// clients may have chosen the same, and their datagrams must not be mixed at the backend. What was
/// wrong stays wrong, as in [`translate_preserving_error`].
///
/// `mask` is the port that the flow was masqueraded to; 0 when it was not, and for replies.
pub fn translate_fragment(frame: &[u8], rewrite: Rewrite, mask: u16) -> Vec<u8> {
    let moved = translate_preserving_error(frame, rewrite);
    let Ok(anatomy) = dissect(&moved) else {
        return moved;
    };
    let Some(at) = identification(&moved, &anatomy).filter(|_| moved != frame) else {
        return moved;
    };
    let mut out = moved.clone();
    let id = u16::from_be_bytes([out[at], out[at + 1]]) ^ mask;
    put(&mut out, at, id.to_be_bytes());
    if !anatomy.is_v6() {
        reseal(&moved, &mut out, &anatomy);
    }
    out
}

/// Where the low half of a fragment's identification stands; nowhere in a whole packet, not even
/// in one with a fragment header of its own (RFC 6946: it is never joined with others).
pub(crate) fn identification(frame: &[u8], anatomy: &Anatomy) -> Option<usize> {
    match (anatomy.piece, anatomy.is_v6()) {
        (Piece::Whole, _) => None,
        (_, false) => Some(anatomy.ip + 4),
        (_, true) => fragment_header(frame, anatomy).map(|(at, _)| at + 6),
    }
}

/// Where the fragment header of an IPv6 packet stands, and where the byte that names it.
pub(crate) fn fragment_header(frame: &[u8], anatomy: &Anatomy) -> Option<(usize, usize)> {
    let headers = chain(frame, anatomy);
    headers
        .into_iter()
        .find(|(number, ..)| *number == 44)
        .map(|(_, at, named_at)| (at, named_at))
}

/// The extension headers: number, position, position of the byte that names it. IPv4 has none.
fn chain(frame: &[u8], anatomy: &Anatomy) -> Vec<(u8, usize, usize)> {
    let mut headers = Vec::new();
    if !anatomy.is_v6() {
        return headers;
    }
    let (mut named_at, mut at) = (anatomy.ip + 6, anatomy.ip + 40);
    while at < anatomy.transport {
        let number = frame[named_at];
        headers.push((number, at, named_at));
        let length = match number {
            44 => 8,
            _ => 8 + usize::from(frame[at + 1]) * 8,
        };
        (named_at, at) = (at, at + length);
    }
    headers
}

/// The end of what must be in every fragment: up to the routing header, else the hop-by-hop one.
fn unfragmentable(frame: &[u8], anatomy: &Anatomy) -> usize {
    let headers = chain(frame, anatomy);
    let needed = headers
        .iter()
        .rposition(|(number, ..)| matches!(number, 0 | 43));
    let end_of = |index: usize| {
        let next = headers.get(index + 1).map(|(_, at, _)| *at);
        next.unwrap_or(anatomy.transport)
    };
    needed.map_or(anatomy.ip + 40, end_of)
}

fn v4(
    frame: &[u8],
    anatomy: &Anatomy,
    id: u16,
    options: Options,
    (offset, more): (usize, bool),
    data: &[u8],
) -> Vec<u8> {
    let fixed = anatomy.ip + 20;
    let all = &frame[fixed..anatomy.transport];
    let kept = match (offset, options) {
        (0, _) | (_, Options::All) => all.to_vec(),
        _ => copied(all),
    };
    let mut out = [&frame[..fixed], &kept, data].concat();
    let transport = fixed + kept.len();
    let length = transport - anatomy.ip + data.len();
    let place = (offset / 8) as u16 | u16::from(more) << 13;
    out[anatomy.ip] = 0x40 | ((transport - anatomy.ip) / 4) as u8;
    put(&mut out, anatomy.ip + 2, (length as u16).to_be_bytes());
    put(&mut out, anatomy.ip + 4, id.to_be_bytes());
    put(&mut out, anatomy.ip + 6, place.to_be_bytes());
    let sum = ipv4_header(&out[anatomy.ip..transport]);
    put(&mut out, anatomy.ip + 10, sum.to_be_bytes());
    out
}

/// The options whose first bit is set, filled up with "end of options".
fn copied(options: &[u8]) -> Vec<u8> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while let Some(kind) = options.get(at) {
        let length = match kind {
            0 => break,
            1 => 1,
            _ => usize::from(options.get(at + 1).copied().unwrap_or(2).max(2)),
        };
        let end = (at + length).min(options.len());
        if kind & 0x80 != 0 {
            kept.extend(&options[at..end]);
        }
        at = end;
    }
    kept.resize(kept.len().next_multiple_of(4), 0);
    kept
}

fn v6(
    frame: &[u8],
    anatomy: &Anatomy,
    head: usize,
    id: u32,
    (offset, more): (usize, bool),
    data: &[u8],
) -> Vec<u8> {
    let before = chain(frame, anatomy);
    let last = before.iter().rfind(|(_, at, _)| *at < head);
    let named_at = last.map_or(anatomy.ip + 6, |(_, at, _)| *at);
    let mut header = vec![frame[named_at], 0];
    header.extend((offset as u16 | u16::from(more)).to_be_bytes());
    header.extend(id.to_be_bytes());
    let mut out = [&frame[..head], &header, data].concat();
    out[named_at] = 44;
    let length = out.len() - anatomy.ip - 40;
    put(&mut out, anatomy.ip + 4, (length as u16).to_be_bytes());
    out
}
