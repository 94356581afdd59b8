//! Is every length and checksum of a frame right, and if not, which one is wrong?
//!
//! Cannot be seen from one frame, so not checked: the transport checksum of fragments, and
//! protocols other than TCP, UDP, SCTP, ICMP and ICMPv6. Two options that change the pseudo-header are not
//! understood: source routes in IPv4 and "home address" in IPv6.

use std::ops::Range;

use super::checksum::{icmp, icmpv6, ipv4_header, tcp, udp};
use super::crc32c;
use super::dissect::{Anatomy, Piece, dissect, link, read};

/// Ok, or one sentence about the first thing that is wrong. Frames that are not IP are right.
pub fn verify(frame: &[u8]) -> Result<(), String> {
    let (_, ethertype, _) = link(frame)?;
    if ethertype != 0x0800 && ethertype != 0x86dd {
        return Ok(());
    }
    let anatomy = dissect(frame)?;
    if !anatomy.is_v6() {
        let header = &frame[anatomy.ip..anatomy.transport];
        header_checksum("IPv4 header", header, anatomy.ip)?;
    }
    if anatomy.piece != Piece::Whole {
        return Ok(());
    }
    let body = &frame[anatomy.transport..anatomy.end];
    match (anatomy.protocol, anatomy.is_v6()) {
        (6, _) => verify_tcp(&anatomy, body),
        (17, _) => verify_udp(&anatomy, body),
        (132, _) => verify_sctp(&anatomy, body),
        (1, false) => verify_icmp(&anatomy, body),
        (58, true) => verify_icmpv6(&anatomy, body),
        _ => Ok(()),
    }
}

/// Like [`verify`] for the packet that an ICMP error quotes. Its transport is looked at only when
/// the quote holds all of the packet. A real sender with checksum offload may quote a transport
/// checksum that was never filled in: use this for packets whose checksums were complete.
pub fn verify_quote(frame: &[u8]) -> Result<(), String> {
    let anatomy = dissect(frame)?;
    let Some(quote) = quote(&anatomy, &frame[anatomy.transport..anatomy.end]) else {
        return Err("the frame is no ICMP error, or it quotes nothing".to_string());
    };
    let length: [u8; 2] = match anatomy.is_v6() {
        false => read(quote, 2, "quoted IPv4 total length")?,
        true => read(quote, 4, "quoted IPv6 payload length")?,
    };
    let whole = usize::from(u16::from_be_bytes(length)) + if anatomy.is_v6() { 40 } else { 0 };
    if quote.len() < whole {
        return quoted_header(&anatomy, &frame[anatomy.transport..anatomy.end]);
    }
    let mut alone = frame[..12].to_vec();
    alone.extend(if anatomy.is_v6() {
        [0x86, 0xdd]
    } else {
        [0x08, 0x00]
    });
    alone.extend(quote);
    verify(&alone).map_err(|error| format!("quoted packet (as if in a frame of its own): {error}"))
}

fn verify_tcp(anatomy: &Anatomy, segment: &[u8]) -> Result<(), String> {
    let at = anatomy.transport;
    let header: [u8; 20] = read(segment, 0, "TCP header")?;
    let length = usize::from(header[12] >> 4) * 4;
    if length < 20 || length > segment.len() {
        let (at, most) = (at + 12, segment.len());
        return Err(format!(
            "TCP data offset at {at} says {length} bytes, should be 20 to {most}"
        ));
    }
    // 0x0000 and 0xFFFF are the same number here: compare what they add up to.
    let right = tcp(anatomy.src, anatomy.pseudo_dst(), segment);
    compare("TCP", at + 16, [header[16], header[17]], right, true)
}

fn verify_udp(anatomy: &Anatomy, datagram: &[u8]) -> Result<(), String> {
    let at = anatomy.transport;
    let [_, _, _, _, a, b, c, d]: [u8; 8] = read(datagram, 0, "UDP header")?;
    let length = usize::from(u16::from_be_bytes([a, b]));
    if length != datagram.len() {
        let there = datagram.len();
        return Err(format!(
            "UDP length at {} is {length}, {there} bytes are there",
            at + 4
        ));
    }
    match ([c, d], anatomy.is_v6()) {
        ([0, 0], false) => Ok(()),
        ([0, 0], true) => Err(format!(
            "UDP checksum at {} is zero, which IPv6 does not allow",
            at + 6
        )),
        (stated, _) => {
            let right = udp(anatomy.src, anatomy.pseudo_dst(), datagram);
            compare("UDP", at + 6, stated, right, false)
        }
    }
}

fn verify_sctp(anatomy: &Anatomy, packet: &[u8]) -> Result<(), String> {
    let at = anatomy.transport + crc32c::FIELD.start;
    let header: [u8; 12] = read(packet, 0, "SCTP header")?;
    let (stated, right) = (&header[crc32c::FIELD], crc32c::sctp(packet));
    match stated == right {
        true => Ok(()),
        false => Err(format!(
            "SCTP checksum at {at}..{} is {stated:02x?}, should be {right:02x?}",
            at + 4
        )),
    }
}

fn verify_icmp(anatomy: &Anatomy, message: &[u8]) -> Result<(), String> {
    let header: [u8; 8] = read(message, 0, "ICMP header")?;
    compare(
        "ICMP",
        anatomy.transport + 2,
        [header[2], header[3]],
        icmp(message),
        true,
    )?;
    quoted_header(anatomy, message)
}

fn verify_icmpv6(anatomy: &Anatomy, message: &[u8]) -> Result<(), String> {
    let header: [u8; 8] = read(message, 0, "ICMPv6 header")?;
    let right = icmpv6(anatomy.src, anatomy.pseudo_dst(), message);
    compare(
        "ICMPv6",
        anatomy.transport + 2,
        [header[2], header[3]],
        right,
        true,
    )?;
    quoted_header(anatomy, message)
}

/// What an ICMP error quotes; nothing for other messages.
pub(crate) fn quote<'a>(anatomy: &Anatomy, message: &'a [u8]) -> Option<&'a [u8]> {
    quote_range(anatomy, message).map(|range| &message[range])
}

/// Where it stands in the message. RFC 4884 lets a message say how long its quote is, and put
/// something else behind it.
pub(crate) fn quote_range(anatomy: &Anatomy, message: &[u8]) -> Option<Range<usize>> {
    let [kind, _, _, _, first, second, ..] = *message else {
        return None;
    };
    let (is_error, stated) = match (anatomy.protocol, anatomy.is_v6(), kind) {
        (1, false, 3 | 11 | 12) => (true, usize::from(second) * 4),
        (1, false, 4 | 5) => (true, 0),
        (58, true, 1 | 3) => (true, usize::from(first) * 8),
        (58, true, kind) => (kind < 128, 0),
        _ => (false, 0),
    };
    let end = match stated {
        0 => message.len(),
        _ => message.len().min(8 + stated),
    };
    (is_error && end > 8).then_some(8..end)
}

fn quoted_header(anatomy: &Anatomy, message: &[u8]) -> Result<(), String> {
    let Some(quote) = quote(anatomy, message) else {
        return Ok(());
    };
    let at = anatomy.transport + 8;
    let first = quote[0];
    let (version, length) = match anatomy.is_v6() {
        true => (6, 40),
        false => (4, usize::from(first & 15) * 4),
    };
    if first >> 4 != version {
        return Err(format!(
            "quoted IP version at {at} is {}, should be {version}",
            first >> 4
        ));
    }
    if length < 20 || quote.len() < length {
        let there = quote.len();
        return Err(format!(
            "quoted IP header at {at} has {length} bytes, {there} are there"
        ));
    }
    match anatomy.is_v6() {
        true => Ok(()),
        false => header_checksum("quoted IPv4 header", &quote[..length], at),
    }
}

fn header_checksum(what: &str, header: &[u8], at: usize) -> Result<(), String> {
    let stated = read(header, 10, what)?;
    compare(what, at + 10, stated, ipv4_header(header), true)
}

/// `zeros_alike`: 0x0000 and 0xFFFF are two spellings of one number (not so in UDP).
fn compare(
    what: &str,
    at: usize,
    stated: [u8; 2],
    right: u16,
    zeros_alike: bool,
) -> Result<(), String> {
    let stated = u16::from_be_bytes(stated);
    let spell = |sum| if zeros_alike && sum == 0xffff { 0 } else { sum };
    match spell(stated) == spell(right) {
        true => Ok(()),
        false => Err(format!(
            "{what} checksum at {at}..{} is 0x{stated:04x}, should be 0x{right:04x}",
            at + 2
        )),
    }
}
