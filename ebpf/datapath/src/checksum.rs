//! The Internet checksum, incrementally (RFC 1071, RFC 1624).
//!
//! Three facts carry this file. The one's-complement sum does not care in which byte order words are
//! added, as long as all are taken alike: so network bytes are added as native words and nothing is
//! ever swapped. Words of 32 bits may be added instead of 16, since 2^32 - 1 is a multiple of 2^16 - 1.
//! And replacing `old` by `new` changes the sum by `!old + new`.

use tidegate_abi::Address;

/// By how much the addresses and the ports of a packet changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Change {
    /// Of the addresses, which the pseudo header repeats.
    pub addresses: u32,
    /// Of the ports.
    pub ports: u32,
    /// UDP: a checksum of zero means "none" (RFC 768, rule 5.6.9).
    pub udp: bool,
    /// IPv6, whose header has no checksum of its own.
    pub v6: bool,
}

/// Adds with the carry brought round.
#[inline(always)]
pub fn add(a: u32, b: u32) -> u32 {
    fold32(u64::from(a).wrapping_add(u64::from(b)))
}

/// A 64-bit sum of 32-bit words as one word.
#[inline(always)]
pub fn fold32(sum: u64) -> u32 {
    let once = (sum & 0xffff_ffff).wrapping_add(sum >> 32);
    ((once & 0xffff_ffff) as u32).wrapping_add((once >> 32) as u32)
}

/// A sum as the 16 bits that stand in a header, complemented.
#[inline(always)]
pub fn finish(sum: u32) -> u16 {
    let once = (sum & 0xffff).wrapping_add(sum >> 16);
    let twice = (once & 0xffff).wrapping_add(once >> 16);
    !(twice as u16)
}

/// The change from one pair of addresses to another.
#[inline(always)]
pub fn addresses<A: Address>(old: (A, A), new: (A, A)) -> u32 {
    let mut sum = 0u64;
    let words = if size_of::<A>() == 4 { 1 } else { 4 };
    let (old, new) = (
        [old.0.words(), old.1.words()],
        [new.0.words(), new.1.words()],
    );
    let mut i = 0;
    while i < words {
        sum = sum
            .wrapping_add(u64::from(!old[0][i]))
            .wrapping_add(u64::from(!old[1][i]))
            .wrapping_add(u64::from(new[0][i]))
            .wrapping_add(u64::from(new[1][i]));
        i = i.wrapping_add(1);
    }
    fold32(sum)
}

/// The change from one 32-bit word of network bytes to another.
#[inline(always)]
pub fn word(old: [u8; 4], new: [u8; 4]) -> u32 {
    add(!u32::from_ne_bytes(old), u32::from_ne_bytes(new))
}

/// A header checksum after a change.
#[inline(always)]
pub fn updated(checksum: [u8; 2], change: u32) -> [u8; 2] {
    let sum = u32::from(!u16::from_ne_bytes(checksum));
    finish(add(sum, change)).to_ne_bytes()
}

/// A complete transport checksum after a change, with UDP's two rules about zero.
#[inline(always)]
pub fn transport(checksum: [u8; 2], change: Change) -> [u8; 2] {
    if change.udp && checksum == [0, 0] {
        return checksum;
    }
    match updated(checksum, add(change.addresses, change.ports)) {
        [0, 0] if change.udp => [0xff, 0xff],
        fresh => fresh,
    }
}

/// The sum of a few bytes, `N` even.
#[inline(always)]
pub fn sum<const N: usize>(bytes: &[u8; N]) -> u32 {
    let mut sum = 0u32;
    for pair in bytes.as_chunks::<2>().0 {
        sum = sum.wrapping_add(u32::from(u16::from_ne_bytes(*pair)));
    }
    sum
}

/// The sum over a pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1).
#[inline(always)]
pub fn pseudo<A: Address>(src: A, dst: A, proto: tidegate_abi::Proto, len: u32) -> u32 {
    let (src, dst) = (src.words(), dst.words());
    let mut sum = u64::from(len.to_be()).wrapping_add(u64::from(u32::from(proto.0).to_be()));
    let words = if size_of::<A>() == 4 { 1 } else { 4 };
    let mut i = 0;
    while i < words {
        sum = sum
            .wrapping_add(u64::from(src[i]))
            .wrapping_add(u64::from(dst[i]));
        i = i.wrapping_add(1);
    }
    fold32(sum)
}
