//! Fragments back to packets, as a receiver does it (RFC 815, RFC 8200 section 4.5).

use std::net::IpAddr;

use super::checksum::ipv4_header;
use super::dissect::{Anatomy, dissect};
use super::fragment::{fragment_header, identification};
use super::translate::put;
use super::verify::verify;

/// What the fragments of one packet have in common.
type Key = (IpAddr, IpAddr, u8, [u8; 4]);
/// The pieces of a packet.
type Pieces<'a> = Vec<(&'a [u8], Anatomy)>;

/// The whole packets in these frames, in the order in which their first pieces came. Whole ones
/// stay as they are; fragments may come in any order and mixed with those of other packets.
///
/// `Err` names what a receiver would stumble over: a fragment that is missing, that overlaps
/// another, or whose own header is wrong; and a packet whose transport checksum does not verify,
/// which is how pieces of different packets show.
pub fn reassemble(frames: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
    let mut packets: Vec<(Option<Key>, Pieces<'_>)> = Vec::new();
    for frame in frames {
        verify(frame)?;
        let anatomy = dissect(frame)?;
        let key = key(frame, &anatomy);
        let known = packets
            .iter_mut()
            .find(|(other, _)| key.is_some() && *other == key);
        match known {
            Some((_, pieces)) => pieces.push((frame, anatomy)),
            None => packets.push((key, vec![(frame, anatomy)])),
        }
    }
    packets
        .into_iter()
        .map(|(key, pieces)| match key {
            None => Ok(pieces[0].0.to_vec()),
            Some(key) => join(pieces).map_err(|error| format!("datagram {key:?}: {error}")),
        })
        .collect()
}

/// Nothing for a whole packet. The protocol counts in IPv4 only.
fn key(frame: &[u8], anatomy: &Anatomy) -> Option<Key> {
    let at = identification(frame, anatomy)?;
    let (protocol, id) = match anatomy.is_v6() {
        true => (0, [frame[at - 2], frame[at - 1], frame[at], frame[at + 1]]),
        false => (anatomy.protocol, [0, 0, frame[at], frame[at + 1]]),
    };
    Some((anatomy.src, anatomy.dst, protocol, id))
}

fn join(mut pieces: Pieces<'_>) -> Result<Vec<u8>, String> {
    pieces.sort_by_key(|(frame, anatomy)| place(frame, anatomy).0);
    let mut data = Vec::new();
    let mut ended = false;
    for (frame, anatomy) in &pieces {
        let (offset, more) = place(frame, anatomy);
        let there = data.len();
        if ended || offset < there {
            return Err(format!(
                "a fragment at {offset} overlaps the {there} bytes there"
            ));
        }
        if offset > there {
            return Err(format!("bytes {there}..{offset} are missing"));
        }
        let piece = &frame[data_at(frame, anatomy)..anatomy.end];
        if more && !piece.len().is_multiple_of(8) {
            return Err(format!("the fragment at {offset} is no multiple of eight"));
        }
        data.extend(piece);
        ended = !more;
    }
    if !ended {
        return Err(format!("the end, behind {} bytes, is missing", data.len()));
    }
    let (first, anatomy) = &pieces[0];
    let whole = behead(first, anatomy, &data);
    verify(&whole).map(|()| whole)
}

/// Offset in bytes, and whether more follow.
fn place(frame: &[u8], anatomy: &Anatomy) -> (usize, bool) {
    let at = match fragment_header(frame, anatomy) {
        Some((at, _)) => at + 2,
        None => anatomy.ip + 6,
    };
    let word = u16::from_be_bytes([frame[at], frame[at + 1]]);
    match anatomy.is_v6() {
        true => (usize::from(word & 0xfff8), word & 1 != 0),
        false => (usize::from(word & 0x1fff) * 8, word & 0x2000 != 0),
    }
}

/// Where a fragment's share of the data begins: options for the destination may belong to it.
fn data_at(frame: &[u8], anatomy: &Anatomy) -> usize {
    let header = fragment_header(frame, anatomy);
    header.map_or(anatomy.transport, |(at, _)| at + 8)
}

/// The first fragment's headers, no longer those of a fragment, in front of all data.
fn behead(first: &[u8], anatomy: &Anatomy, data: &[u8]) -> Vec<u8> {
    let mut out = [&first[..data_at(first, anatomy)], data].concat();
    if let Some((at, named_at)) = fragment_header(first, anatomy) {
        out[named_at] = out[at];
        out.drain(at..at + 8);
        let length = out.len() - anatomy.ip - 40;
        put(&mut out, anatomy.ip + 4, (length as u16).to_be_bytes());
        return out;
    }
    let length = out.len() - anatomy.ip;
    put(&mut out, anatomy.ip + 2, (length as u16).to_be_bytes());
    put(&mut out, anatomy.ip + 6, [0; 2]);
    let sum = ipv4_header(&out[anatomy.ip..anatomy.transport]);
    put(&mut out, anatomy.ip + 10, sum.to_be_bytes());
    out
}
