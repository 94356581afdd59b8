//! The IP header of either family.

use tidegate_abi::{Address, Ip4, Ip6, Proto, Reason};

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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
}

/// An address family whose header can be parsed and rewritten.
pub trait Ip: Address {
    /// Length of the header without options or extensions.
    const HEADER: usize;
    /// Parses and checks the header at `l3`.
    fn header<P: Packet>(packet: &P, l3: usize) -> Result<Header<Self>, Reason>;
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
        // More fragments to come, or not the first one.
        if u16::from_be_bytes([h[6], h[7]]) & 0x3fff != 0 {
            return Err(Reason::Fragment);
        }
        Ok(Header {
            src: Ip4::new([h[12], h[13], h[14], h[15]]),
            dst: Ip4::new([h[16], h[17], h[18], h[19]]),
            proto: Proto(h[9]),
            ttl: h[8],
            l4: l3.wrapping_add(header_len),
            len,
            may_fragment: h[6] & 0x40 == 0,
        })
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
        let (proto, l4) = extensions(packet, head[6], l3.wrapping_add(40))?;
        let (src, dst) = (Ip6::new(src), Ip6::new(dst));
        Ok(Header {
            src,
            dst,
            proto,
            ttl: head[7],
            l4,
            len,
            may_fragment: false,
        })
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
        packet.store(l3.wrapping_add(7), [limit.wrapping_sub(hops)])?;
        packet.store(l3.wrapping_add(8), new.0.octets())?;
        packet.store(l3.wrapping_add(24), new.1.octets())
    }
}

/// Walks extension headers: the transport protocol, and where its header begins.
#[inline(always)]
fn extensions<P: Packet>(packet: &P, first: u8, at: usize) -> Result<(Proto, usize), Reason> {
    let (mut next, mut at) = (first, at);
    for _ in 0..EXTENSIONS {
        match next {
            extension::FRAGMENT => return Err(Reason::Fragment),
            extension::HOP_BY_HOP | extension::DESTINATION | extension::ROUTING => {}
            proto => return Ok((Proto(proto), at)),
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
