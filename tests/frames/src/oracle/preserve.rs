//! Translation of frames whose checksums may be wrong: what was wrong must stay wrong, by the
//! same amount, or a balancer would hide damage from the receiver.
//!
//! An incremental update (RFC 1624) does that by its nature. Here it is computed in another way:
//! the covered bytes are read as one big number. Since 65536 leaves 1 when divided by 65535, that
//! number's remainder is the ones' complement sum of its 16-bit digits. The new checksum is the
//! old one, less the old bytes' remainder, plus the new bytes'. A CRC's error is what it differs by
//! in bits.

use super::checksum::{blank, pseudo_header};
use super::crc32c;
use super::dissect::Anatomy;
use super::translate::{Rewrite, checksum_field, edit, has_crc, put, renewed};

const MODULUS: u32 = 0xffff;

/// The frame after `rewrite`, every checksum as right or as wrong as it was.
///
/// For a frame whose checksums are right this gives the same bytes as [`super::translate`]. Where
/// a checksum can be spelt 0x0000 or 0xFFFF it is spelt as a full sum would, unless nothing under
/// it changed; then it stays as it is. A UDP checksum of zero stays zero in both families, and a
/// UDP checksum never becomes zero. Comes back unchanged when [`super::translate`] says so.
pub fn translate_preserving_error(frame: &[u8], rewrite: Rewrite) -> Vec<u8> {
    let Some((anatomy, mut out)) = edit(frame, &rewrite) else {
        return frame.to_vec();
    };
    if !anatomy.is_v6() {
        reseal(frame, &mut out, &anatomy);
    }
    if has_crc(&anatomy, frame) {
        let body = anatomy.transport..anatomy.end;
        let stated = &frame[body.clone()][crc32c::FIELD];
        let (before, after) = (
            crc32c::sctp(&frame[body.clone()]),
            crc32c::sctp(&out[body.clone()]),
        );
        let shifted = [0, 1, 2, 3].map(|byte| stated[byte] ^ before[byte] ^ after[byte]);
        put(&mut out, body.start + crc32c::FIELD.start, shifted);
    }
    if let Some(at) = checksum_field(&anatomy) {
        let sum = transport(frame, &out, &anatomy, &renewed(&anatomy, &rewrite));
        put(&mut out, at, sum.to_be_bytes());
    }
    out
}

/// Gives the IPv4 header of `after` its checksum, as wrong as that of `before`.
pub(crate) fn reseal(before: &[u8], after: &mut [u8], anatomy: &Anatomy) {
    let header = anatomy.ip..anatomy.transport;
    let (old, new) = (
        blank(&before[header.clone()], 10),
        blank(&after[header], 10),
    );
    let sum = shift(word(before, anatomy.ip + 10), &old, &new);
    put(after, anatomy.ip + 10, sum.to_be_bytes());
}

/// Gives the ICMP message of `after` its checksum, as wrong as that of `before`; the addresses are
/// those of the two headers.
pub(crate) fn reseal_message(before: &[u8], after: &mut [u8], old: &Anatomy, new: &Anatomy) {
    let covered = |frame: &[u8], anatomy: &Anatomy| {
        let message = &frame[anatomy.transport..anatomy.end];
        let mut bytes = match anatomy.is_v6() {
            true => pseudo_header(anatomy.src, anatomy.pseudo_dst(), 58, message.len()),
            false => Vec::new(),
        };
        bytes.extend(blank(message, 2));
        bytes
    };
    let at = old.transport + 2;
    let sum = shift(
        word(before, at),
        &covered(before, old),
        &covered(after, new),
    );
    put(after, at, sum.to_be_bytes());
}

/// The transport checksum of `after`, as wrong as that of `before`.
pub(crate) fn transport(before: &[u8], after: &[u8], old: &Anatomy, new: &Anatomy) -> u16 {
    let Some(at) = checksum_field(old) else {
        return 0;
    };
    let stated = word(before, at);
    let covered = |frame: &[u8], anatomy: &Anatomy| {
        let body = &frame[anatomy.transport..anatomy.end];
        let (src, dst) = (anatomy.src, anatomy.pseudo_dst());
        let mut bytes = pseudo_header(src, dst, anatomy.protocol, body.len());
        bytes.extend(blank(body, at - anatomy.transport));
        bytes
    };
    match (
        old.protocol,
        shift(stated, &covered(before, old), &covered(after, new)),
    ) {
        (17, _) if stated == 0 => 0,
        (17, 0) => 0xffff,
        (_, sum) => sum,
    }
}

/// The checksum that is to `after` what `stated` is to `before`.
pub fn shift(stated: u16, before: &[u8], after: &[u8]) -> u16 {
    if before == after {
        return stated;
    }
    let old_sum = MODULUS - u32::from(stated);
    let new_sum = (old_sum + MODULUS - remainder(before) + remainder(after)) % MODULUS;
    // A sum over anything but zeros is never 0x0000: ones' complement spells it 0xFFFF.
    let spelt = if new_sum == 0 { MODULUS } else { new_sum };
    (MODULUS - spelt) as u16
}

/// `bytes` (filled up to an even count) as one big number, modulo 65535: schoolbook division.
fn remainder(bytes: &[u8]) -> u32 {
    let divide = |rest: u32, byte: u8| (rest * 256 + u32::from(byte)) % MODULUS;
    let rest = bytes.iter().fold(0, |rest, byte| divide(rest, *byte));
    if bytes.len().is_multiple_of(2) {
        rest
    } else {
        divide(rest, 0)
    }
}

fn word(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}
