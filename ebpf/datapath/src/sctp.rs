//! SCTP (RFC 9260) as far as a service load balancer needs it: chunks in terms of TCP, and the checksum.
//!
//! The checksum is a CRC, and a CRC is linear: when some bits change, it changes by the CRC of the changed
//! bits alone, whatever the rest of the packet is. So a change of ports costs a few multiplications of
//! polynomials, and no byte of data is read (rule 5.4.3). A checksum that was wrong stays wrong.

use crate::{Packet, tcp::flag};

/// Length of the common header.
pub const HEADER: usize = 12;
/// Offset of the checksum in it.
pub const CHECKSUM: usize = 8;

/// Chunk types (RFC 9260, section 3.2).
mod chunk {
    pub(super) const INIT: u8 = 1;
    pub(super) const INIT_ACK: u8 = 2;
    pub(super) const ABORT: u8 = 6;
    pub(super) const SHUTDOWN: u8 = 7;
    pub(super) const SHUTDOWN_ACK: u8 = 8;
    pub(super) const SHUTDOWN_COMPLETE: u8 = 14;
}

/// The TCP flags that do to a flow what a packet's first chunk does (rule 5.4.4).
#[inline(always)]
pub fn as_tcp_flags(kind: u8) -> u8 {
    match kind {
        chunk::INIT => flag::SYN,
        chunk::INIT_ACK => flag::SYN | flag::ACK,
        chunk::ABORT => flag::RST,
        // Each side asks for the end, or agrees to it, once.
        chunk::SHUTDOWN | chunk::SHUTDOWN_ACK => flag::FIN | flag::ACK,
        chunk::SHUTDOWN_COMPLETE => flag::RST,
        _ => flag::ACK,
    }
}

/// The generator of CRC32c, bits reflected (RFC 9260, appendix A).
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// `x^(8 * 2^k)` modulo the generator, reflected, for each `k`: what `2^k` zero bytes multiply by.
const POWERS: [u32; 16] = {
    let mut powers = [0; 16];
    // x^8; the polynomial 1 is the uppermost bit of a reflected word.
    powers[0] = 1 << 23;
    let mut k = 1;
    while k < powers.len() {
        powers[k] = times(powers[k - 1], powers[k - 1]);
        k += 1;
    }
    powers
};

/// A checksum after the first four bytes of the packet have changed; `len` is the packet's length from its
/// common header on, at most 65,535 bytes.
#[inline(always)]
pub fn updated<P: Packet>(
    packet: &P,
    checksum: [u8; 4],
    old: [u8; 4],
    new: [u8; 4],
    len: u32,
) -> [u8; 4] {
    let change = u32::from_le_bytes(old) ^ u32::from_le_bytes(new);
    (u32::from_le_bytes(checksum) ^ packet.before_zeros(change, len)).to_le_bytes()
}

/// The CRC of a word that `len` bytes of zeros follow.
#[inline(always)]
pub fn before_zeros(word: u32, len: u32) -> u32 {
    let (mut word, mut k) = (word, 0u32);
    while k < 16 {
        let more = times(word, POWERS[k as usize]);
        let chosen = 0u32.wrapping_sub(len >> k & 1);
        word = more & chosen | word & !chosen;
        k = k.wrapping_add(1);
    }
    word
}

/// The product of two reflected polynomials modulo the generator. No branches: a verifier would have to
/// follow each.
#[inline(always)]
const fn times(a: u32, b: u32) -> u32 {
    let (mut a, mut b, mut product) = (a, b, 0u32);
    let mut i = 0u32;
    while i < 32 {
        // The coefficient of x^i of `a`, as a mask.
        product ^= b & 0u32.wrapping_sub(a >> 31);
        a <<= 1;
        // Times x: a shift towards the lower bits, reduced.
        b = b >> 1 ^ POLYNOMIAL & 0u32.wrapping_sub(b & 1);
        i = i.wrapping_add(1);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit over all bytes, as the RFC describes it.
    fn crc32c(bytes: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 {
                    crc >> 1 ^ POLYNOMIAL
                } else {
                    crc >> 1
                };
            }
        }
        !crc
    }

    #[test]
    fn rule_5_4_3_an_updated_checksum_is_the_checksum_of_the_changed_packet() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let word = u32::from_le_bytes;
        let mut packet = [0u8; 9000];
        for (i, byte) in packet.iter_mut().enumerate() {
            *byte = (i * 31 + 7) as u8;
        }
        for len in [12, 16, 17, 1480, 8191, 8192, 9000] {
            let packet = &mut packet[..len];
            packet[CHECKSUM..HEADER].fill(0);
            let (old, new) = (
                [packet[0], packet[1], packet[2], packet[3]],
                [0x27, 0x0f, 0x96, 0x0e],
            );
            let before = crc32c(packet).to_le_bytes();
            packet[..4].copy_from_slice(&new);
            let after = crc32c(packet).to_le_bytes();
            packet[..4].copy_from_slice(&old);
            let updated = before_zeros(word(old) ^ word(new), len as u32) ^ word(before);
            assert_eq!(updated.to_le_bytes(), after, "{len} bytes");
        }
    }
}
