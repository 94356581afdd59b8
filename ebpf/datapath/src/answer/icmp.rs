//! ICMP errors (RFC 792, RFC 1812 section 4.3.2; RFC 4443): the sender's packet, quoted as it was sent.

use tidegate_abi::{Address, Ip4, Ip6, Proto};

use super::{TTL, swap_macs};
use crate::{
    Packet, checksum,
    parse::{Headers, Ip},
};

/// How much of a packet is quoted at most. With both headers the error stays below 576 bytes, which
/// every host accepts (RFC 1812, section 4.3.2.3).
pub const QUOTE: u32 = 512;

/// Length of the ICMP header of an error.
const ICMP: usize = 8;

/// What is wrong with the packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Error {
    /// Nobody serves the port.
    PortUnreachable,
    /// No route leads there.
    HostUnreachable,
    /// The time to live ran out here.
    TtlExceeded,
    /// It does not fit the next link, whose MTU is given.
    TooBig(u32),
}

/// What the families' errors differ in.
pub trait Icmp: Address {
    /// The protocol number.
    const PROTO: Proto;
    /// The types of an echo request and of its reply.
    const ECHO: [u8; 2];
    /// Whether a message of this type quotes the packet that caused it.
    fn is_error(kind: u8) -> bool;
    /// Type and code.
    fn kind(error: Error) -> [u8; 2];
    /// The sum over what the checksum covers beside the message itself.
    fn pseudo(src: Self, dst: Self, len: u32) -> u32;
    /// Writes a whole IP header without options.
    fn write_header<P: Packet>(
        packet: &mut P,
        l3: usize,
        src: Self,
        dst: Self,
        proto: Proto,
        ttl: u8,
        payload: u16,
    ) -> Option<()>;
}

/// Turns a packet into the error that it causes.
#[inline(always)]
pub(super) fn answer<A: Ip + Icmp, P: Packet>(
    packet: &mut P,
    headers: &Headers<A>,
    error: Error,
) -> Option<()> {
    let quote = if headers.ip_len < QUOTE {
        headers.ip_len
    } else {
        QUOTE
    };
    let mtu = if let Error::TooBig(mtu) = error {
        mtu
    } else {
        0
    };
    let [kind, code] = A::kind(error);
    let [m0, m1, m2, m3] = mtu.to_be_bytes();
    let mut head = [kind, code, 0, 0, m0, m1, m2, m3];
    let len = quote.wrapping_add(ICMP as u32);
    let sum = checksum::add(
        sum_quote(packet, headers.l3(), quote)?,
        checksum::sum(&head),
    );
    let pseudo = A::pseudo(headers.key.dst, headers.key.src, len);
    [head[2], head[3]] = checksum::finish(checksum::add(sum, pseudo)).to_ne_bytes();
    packet.resize(headers.l3().wrapping_add(quote as usize))?;
    packet.open_gap(headers.l3(), A::HEADER.wrapping_add(ICMP))?;
    swap_macs(packet)?;
    let (src, dst) = (headers.key.dst, headers.key.src);
    A::write_header(packet, headers.l3(), src, dst, A::PROTO, TTL, len as u16)?;
    packet.store(headers.l3().wrapping_add(A::HEADER), head)
}

/// The sum over the quoted bytes: in strides of sixteen, then what is left of them.
#[inline(always)]
fn sum_quote<P: Packet>(packet: &P, l3: usize, quote: u32) -> Option<u32> {
    let (mut sum, mut at) = (0u64, 0u32);
    for _ in 0..QUOTE / STRIDE {
        if at.wrapping_add(STRIDE) > quote {
            break;
        }
        let offset = l3.wrapping_add(at as usize);
        let [first, second, third, fourth] = words_of(packet.load::<{ STRIDE as usize }>(offset)?);
        sum = sum
            .wrapping_add(first)
            .wrapping_add(second)
            .wrapping_add(third)
            .wrapping_add(fourth);
        at = at.wrapping_add(STRIDE);
    }
    let left = quote.wrapping_sub(at);
    let mut offset = l3.wrapping_add(at as usize);
    if left & 8 != 0 {
        let [a, b, c, d, e, f, g, h] = packet.load::<8>(offset)?;
        sum = sum
            .wrapping_add(word([a, b, c, d]))
            .wrapping_add(word([e, f, g, h]));
        offset = offset.wrapping_add(8);
    }
    if left & 4 != 0 {
        sum = sum.wrapping_add(word(packet.load::<4>(offset)?));
        offset = offset.wrapping_add(4);
    }
    if left & 2 != 0 {
        let [a, b] = packet.load::<2>(offset)?;
        sum = sum.wrapping_add(word([a, b, 0, 0]));
        offset = offset.wrapping_add(2);
    }
    if left & 1 != 0 {
        let [a] = packet.load::<1>(offset)?;
        sum = sum.wrapping_add(word([a, 0, 0, 0]));
    }
    Some(checksum::fold32(sum))
}

/// Bytes that are summed at a time.
const STRIDE: u32 = 16;

#[inline(always)]
fn words_of([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]: [u8; 16]) -> [u64; 4] {
    [
        word([a, b, c, d]),
        word([e, f, g, h]),
        word([i, j, k, l]),
        word([m, n, o, p]),
    ]
}

#[inline(always)]
fn word(bytes: [u8; 4]) -> u64 {
    u64::from(u32::from_ne_bytes(bytes))
}

impl Icmp for Ip4 {
    const PROTO: Proto = Proto::ICMP;
    const ECHO: [u8; 2] = [8, 0];

    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        // Unreachable, time exceeded, parameter problem.
        matches!(kind, 3 | 11 | 12)
    }

    #[inline(always)]
    fn kind(error: Error) -> [u8; 2] {
        match error {
            Error::PortUnreachable => [3, 3],
            Error::HostUnreachable => [3, 1],
            Error::TtlExceeded => [11, 0],
            Error::TooBig(_) => [3, 4],
        }
    }

    #[inline(always)]
    fn pseudo(_src: Self, _dst: Self, _len: u32) -> u32 {
        0
    }

    #[inline(always)]
    fn write_header<P: Packet>(
        packet: &mut P,
        l3: usize,
        src: Self,
        dst: Self,
        proto: Proto,
        ttl: u8,
        payload: u16,
    ) -> Option<()> {
        let [l0, l1] = payload.wrapping_add(20).to_be_bytes();
        let ([s0, s1, s2, s3], [d0, d1, d2, d3]) = (src.octets(), dst.octets());
        // Version 4, five words; do not fragment.
        let mut h = [
            0x45, 0, l0, l1, 0, 0, 0x40, 0, ttl, proto.0, 0, 0, s0, s1, s2, s3, d0, d1, d2, d3,
        ];
        [h[10], h[11]] = checksum::finish(checksum::sum(&h)).to_ne_bytes();
        packet.store(l3, h)
    }
}

impl Icmp for Ip6 {
    const PROTO: Proto = Proto::ICMP6;
    const ECHO: [u8; 2] = [128, 129];

    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        // Unreachable, too big, time exceeded, parameter problem.
        matches!(kind, 1..=4)
    }

    #[inline(always)]
    fn kind(error: Error) -> [u8; 2] {
        match error {
            Error::PortUnreachable => [1, 4],
            Error::HostUnreachable => [1, 0],
            Error::TtlExceeded => [3, 0],
            Error::TooBig(_) => [2, 0],
        }
    }

    #[inline(always)]
    fn pseudo(src: Self, dst: Self, len: u32) -> u32 {
        checksum::pseudo(src, dst, Proto::ICMP6, len)
    }

    #[inline(always)]
    fn write_header<P: Packet>(
        packet: &mut P,
        l3: usize,
        src: Self,
        dst: Self,
        proto: Proto,
        ttl: u8,
        payload: u16,
    ) -> Option<()> {
        let [l0, l1] = payload.to_be_bytes();
        packet.store(l3, [0x60, 0, 0, 0, l0, l1, proto.0, ttl])?;
        packet.store(l3.wrapping_add(8), src.octets())?;
        packet.store(l3.wrapping_add(24), dst.octets())
    }
}
