//! CRC32c, SCTP's checksum (RFC 9260 section 6.8 and appendix A): one bit after the other.

/// Castagnoli's polynomial, lowest power first.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Where the checksum stands in an SCTP packet.
pub const FIELD: std::ops::Range<usize> = 8..12;

/// The remainder of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let mut rest = u32::MAX;
    for byte in bytes {
        rest ^= u32::from(*byte);
        for _ in 0..8 {
            let odd = rest & 1 == 1;
            rest >>= 1;
            if odd {
                rest ^= POLYNOMIAL;
            }
        }
    }
    !rest
}

/// What the checksum field of an SCTP packet must hold: sums cover the whole packet, the field as
/// zero, and no pseudo-header. The lowest byte goes first. `packet` must have room for the field.
pub fn sctp(packet: &[u8]) -> [u8; 4] {
    let mut blank = packet.to_vec();
    blank[FIELD].fill(0);
    crc32c(&blank).to_le_bytes()
}
