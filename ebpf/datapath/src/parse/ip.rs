//! The IP header of either family.

use tidegate_abi::{Address, Ip4, Ip6, Proto, Reason};

use super::quote::Quote;
use crate::Packet;

/// How many IPv6 extension headers are walked (rule 5.6.8).
const EXTENSIONS: usize = 6;
/// IPv6 extension headers with a length byte (RFC 8200, section 4).
mod extension {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const DESTINATION: u8 = 60;
}

/// What the journey needs of an IP header.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Header<A> {
    /// Source address.
    pub src: A,
    /// Destination address.
    pub dst: A,
    /// The transport protocol.
    pub proto: Proto,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Offset of the transport header in the frame.
    pub l4: usize,
    /// Bytes from the IP header on.
    pub len: u32,
    /// Whether routers may cut the packet up (IPv4 without DF).
    pub may_fragment: bool,
    /// Which part of a datagram it is.
    pub piece: Piece,
}

/// What an IP header says about fragmentation.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Piece {
    /// Not a whole datagram. An IPv6 "atomic fragment" (RFC 6946) is whole.
    pub is_fragment: bool,
    /// Where its data begins in the datagram's, in bytes; 0: the first fragment.
    pub offset: u16,
    /// Identification, as its bytes stand in the header.
    pub id: u32,
    /// Offset of the identification in the frame.
    pub id_at: usize,
}

/// An address family whose header can be parsed and rewritten.
pub trait Ip: Address {
    /// Length of the header without options or extensions.
    const HEADER: usize;
    /// Parses and checks the header at `l3`.
    fn header<P: Packet>(packet: &P, l3: usize) -> Result<Header<Self>, Reason>;
    /// What can be known of a packet that is quoted at an offset; nothing of a later fragment.
    fn quote<P: Packet>(packet: &P, l3: usize) -> Option<Quote<Self>>;
    /// Bytes from the IP header at an offset on, as it states them; nothing is checked.
    fn stated_len<P: Packet>(packet: &P, l3: usize) -> Option<u32>;
    /// Mixes a number into the identification of a fragment.
    fn mix_id<P: Packet>(packet: &mut P, l3: usize, piece: &Piece, with: [u8; 2]) -> Option<()>;
    /// The destination address, whatever the packet carries.
    fn destination<P: Packet>(packet: &P, l3: usize) -> Option<Self>;
    /// Writes new addresses and takes `hops` from the time to live; the header checksum follows.
    fn rewrite<P: Packet>(
        packet: &mut P,
        l3: usize,
        hops: u8,
        old: (Self, Self),
        new: (Self, Self),
    ) -> Option<()>;
}

/// The stated length, checked against the frame. A super-packet of more than 64 KiB states zero
/// (BIG TCP, Linux 5.19).
#[inline(always)]
fn checked_len<P: Packet>(packet: &P, l3: usize, stated: u32, least: u32) -> Result<u32, Reason> {
    let room = (packet.len() as u32).saturating_sub(l3 as u32);
    let len = if stated == 0 && packet.is_segmented() {
        room
    } else {
        stated
    };
    if len < least {
        return Err(Reason::Malformed);
    }
    if len > room {
        return Err(Reason::Truncated);
    }
    Ok(len)
}

impl Ip for Ip4 {
    const HEADER: usize = 20;

    #[inline(always)]
    fn header<P: Packet>(packet: &P, l3: usize) -> Result<Header<Self>, Reason> {
        let h = packet.load::<20>(l3).ok_or(Reason::Truncated)?;
        let header_len = usize::from(h[0] & 0x0f).wrapping_mul(4);
        if h[0] >> 4 != 4 || header_len < Self::HEADER {
            return Err(Reason::Malformed);
        }
        let stated = u32::from(u16::from_be_bytes([h[2], h[3]]));
        let len = checked_len(packet, l3, stated, header_len as u32)?;
        let part = u16::from_be_bytes([h[6], h[7]]);
        let piece = Piece {
            // More fragments to come, or not the first one.
            is_fragment: part & 0x3fff != 0,
            offset: (part & 0x1fff) << 3,
            id: u32::from(u16::from_ne_bytes([h[4], h[5]])),
            id_at: l3.wrapping_add(4),
        };
        Ok(Header {
            src: Ip4::new([h[12], h[13], h[14], h[15]]),
            dst: Ip4::new([h[16], h[17], h[18], h[19]]),
            proto: Proto(h[9]),
            ttl: h[8],
            l4: l3.wrapping_add(header_len),
            len,
            may_fragment: h[6] & 0x40 == 0,
            piece,
        })
    }

    #[inline(always)]
    fn quote<P: Packet>(packet: &P, l3: usize) -> Option<Quote<Self>> {
        let h = packet.load::<20>(l3)?;
        let header_len = usize::from(h[0] & 0x0f).wrapping_mul(4);
        let is_later = u16::from_be_bytes([h[6], h[7]]) & 0x1fff != 0;
        if h[0] >> 4 != 4 || header_len < Self::HEADER || is_later {
            return None;
        }
        Some(Quote {
            src: Ip4::new([h[12], h[13], h[14], h[15]]),
            dst: Ip4::new([h[16], h[17], h[18], h[19]]),
            proto: Proto(h[9]),
            l3,
            l4: l3.wrapping_add(header_len),
        })
    }

    #[inline(always)]
    fn stated_len<P: Packet>(packet: &P, l3: usize) -> Option<u32> {
        let len = u16::from_be_bytes(packet.load::<2>(l3.wrapping_add(2))?);
        Some(u32::from(len))
    }

    #[inline(always)]
    fn mix_id<P: Packet>(packet: &mut P, l3: usize, piece: &Piece, with: [u8; 2]) -> Option<()> {
        let [i0, i1] = packet.load::<2>(piece.id_at)?;
        let [n0, n1] = [i0 ^ with[0], i1 ^ with[1]];
        let sum = packet.load::<2>(l3.wrapping_add(10))?;
        let change = crate::checksum::word([i0, i1, 0, 0], [n0, n1, 0, 0]);
        packet.store(piece.id_at, [n0, n1])?;
        packet.store(l3.wrapping_add(10), crate::checksum::updated(sum, change))
    }

    #[inline(always)]
    fn destination<P: Packet>(packet: &P, l3: usize) -> Option<Self> {
        packet.load::<4>(l3.wrapping_add(16)).map(Ip4::new)
    }

    #[inline(always)]
    fn rewrite<P: Packet>(
        packet: &mut P,
        l3: usize,
        hops: u8,
        old: (Self, Self),
        new: (Self, Self),
    ) -> Option<()> {
        let [ttl, proto, c0, c1] = packet.load::<4>(l3.wrapping_add(8))?;
        let left = ttl.wrapping_sub(hops);
        let change = crate::checksum::add(
            crate::checksum::addresses(old, new),
            crate::checksum::word([ttl, proto, 0, 0], [left, proto, 0, 0]),
        );
        let [c0, c1] = crate::checksum::updated([c0, c1], change);
        let ([s0, s1, s2, s3], [d0, d1, d2, d3]) = (new.0.octets(), new.1.octets());
        let tail = [left, proto, c0, c1, s0, s1, s2, s3, d0, d1, d2, d3];
        packet.store(l3.wrapping_add(8), tail)
    }
}

impl Ip for Ip6 {
    const HEADER: usize = 40;

    #[inline(always)]
    fn header<P: Packet>(packet: &P, l3: usize) -> Result<Header<Self>, Reason> {
        let head = packet.load::<8>(l3).ok_or(Reason::Truncated)?;
        let src = packet
            .load::<16>(l3.wrapping_add(8))
            .ok_or(Reason::Truncated)?;
        let dst = packet
            .load::<16>(l3.wrapping_add(24))
            .ok_or(Reason::Truncated)?;
        if head[0] >> 4 != 6 {
            return Err(Reason::Malformed);
        }
        let payload = u32::from(u16::from_be_bytes([head[4], head[5]]));
        let stated = if payload == 0 && packet.is_segmented() {
            0
        } else {
            payload.wrapping_add(40)
        };
        let len = checked_len(packet, l3, stated, 40)?;
        let (proto, l4, piece) = extensions(packet, head[6], l3.wrapping_add(40))?;
        let (src, dst) = (Ip6::new(src), Ip6::new(dst));
        Ok(Header {
            src,
            dst,
            proto,
            ttl: head[7],
            l4,
            len,
            may_fragment: false,
            piece,
        })
    }

    #[inline(always)]
    fn quote<P: Packet>(packet: &P, l3: usize) -> Option<Quote<Self>> {
        let head = packet.load::<8>(l3)?;
        if head[0] >> 4 != 6 {
            return None;
        }
        let src = Ip6::new(packet.load::<16>(l3.wrapping_add(8))?);
        let dst = Ip6::new(packet.load::<16>(l3.wrapping_add(24))?);
        let (proto, l4, piece) = extensions(packet, head[6], l3.wrapping_add(40)).ok()?;
        (piece.offset == 0).then_some(Quote {
            src,
            dst,
            proto,
            l3,
            l4,
        })
    }

    #[inline(always)]
    fn stated_len<P: Packet>(packet: &P, l3: usize) -> Option<u32> {
        let payload = u16::from_be_bytes(packet.load::<2>(l3.wrapping_add(4))?);
        Some(u32::from(payload).wrapping_add(40))
    }

    #[inline(always)]
    fn mix_id<P: Packet>(packet: &mut P, _l3: usize, piece: &Piece, with: [u8; 2]) -> Option<()> {
        let at = piece.id_at.wrapping_add(2);
        let [i0, i1] = packet.load::<2>(at)?;
        packet.store(at, [i0 ^ with[0], i1 ^ with[1]])
    }

    #[inline(always)]
    fn destination<P: Packet>(packet: &P, l3: usize) -> Option<Self> {
        packet.load::<16>(l3.wrapping_add(24)).map(Ip6::new)
    }

    #[inline(always)]
    fn rewrite<P: Packet>(
        packet: &mut P,
        l3: usize,
        hops: u8,
        _old: (Self, Self),
        new: (Self, Self),
    ) -> Option<()> {
        let [limit] = packet.load::<1>(l3.wrapping_add(7))?;
        let left = limit.wrapping_sub(hops);
        packet.store(l3.wrapping_add(7), [left])?;
        if hops != 0 {
            // No checksum of this header makes up for it.
            packet.unbalance(crate::checksum::word([0, 0, 0, limit], [0, 0, 0, left]));
        }
        packet.store(l3.wrapping_add(8), new.0.octets())?;
        packet.store(l3.wrapping_add(24), new.1.octets())
    }
}

/// Walks extension headers: the transport protocol, where its header begins, and which fragment it is.
/// Behind the header of a fragment that is not the first there are data.
#[inline(always)]
fn extensions<P: Packet>(
    packet: &P,
    first: u8,
    at: usize,
) -> Result<(Proto, usize, Piece), Reason> {
    let (mut next, mut at) = (first, at);
    let mut piece = Piece::default();
    for _ in 0..=EXTENSIONS {
        match next {
            extension::FRAGMENT => {
                let h = packet.load::<8>(at).ok_or(Reason::Truncated)?;
                let part = u16::from_be_bytes([h[2], h[3]]);
                piece = Piece {
                    is_fragment: part & 0xfff9 != 0,
                    offset: part & 0xfff8,
                    id: u32::from_ne_bytes([h[4], h[5], h[6], h[7]]),
                    id_at: at.wrapping_add(4),
                };
                (next, at) = (h[0], at.wrapping_add(8));
                if piece.offset != 0 {
                    return Ok((Proto(next), at, piece));
                }
                continue;
            }
            extension::HOP_BY_HOP | extension::DESTINATION | extension::ROUTING => {}
            proto => return Ok((Proto(proto), at, piece)),
        }
        let h = packet.load::<4>(at).ok_or(Reason::Truncated)?;
        // With segments left the destination is not the final one, which the checksum is made over.
        if next == extension::ROUTING && h[3] != 0 {
            return Err(Reason::NotTransport);
        }
        next = h[0];
        at = at.wrapping_add(usize::from(h[1]).wrapping_add(1).wrapping_mul(8));
    }
    Err(Reason::TooManyHeaders)
}
