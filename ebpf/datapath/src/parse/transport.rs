//! The transport header: ports, and what it says about the state of a flow.

use tidegate_abi::{FlowKey, Port, Proto, Reason};

use super::{Headers, ip::Header};
use crate::{Packet, parse::Ip, sctp};

/// Length of a TCP header without options.
const TCP: u32 = 20;
/// Length of a UDP header.
const UDP: u32 = 8;
/// Length of an SCTP header and of its first chunk's.
const SCTP: u32 = 16;

/// Parses and checks the header behind `ip`.
#[inline(always)]
pub(super) fn header<A: Ip, P: Packet>(
    packet: &P,
    l3: usize,
    ip: &Header<A>,
) -> Result<Headers<A>, Reason> {
    // Bytes of the transport header and its data; extension headers may reach beyond the packet.
    let room = ip
        .len
        .checked_sub(ip.l4.wrapping_sub(l3) as u32)
        .ok_or(Reason::Truncated)?;
    let tcp_flags = match ip.proto {
        Proto::TCP => tcp(packet, ip.l4, room)?,
        Proto::UDP => {
            udp(packet, ip.l4, room, ip.piece.is_fragment)?;
            0
        }
        Proto::SCTP => sctp(packet, ip.l4, room)?,
        _ => return Err(Reason::NotTransport),
    };
    let [s0, s1, d0, d1] = packet.load::<4>(ip.l4).ok_or(Reason::Truncated)?;
    let key = FlowKey {
        src: ip.src,
        dst: ip.dst,
        src_port: Port::from_be16(u16::from_ne_bytes([s0, s1])),
        dst_port: Port::from_be16(u16::from_ne_bytes([d0, d1])),
        proto: ip.proto,
        pad: 0,
        pad_high: 0,
    };
    Ok(Headers {
        key,
        l3: l3 as u16,
        l4: ip.l4 as u16,
        ip_len: ip.len,
        ttl: ip.ttl,
        tcp_flags,
        may_fragment: u8::from(ip.may_fragment),
    })
}

/// The flags of a TCP header.
#[inline(always)]
fn tcp<P: Packet>(packet: &P, l4: usize, room: u32) -> Result<u8, Reason> {
    if room < TCP {
        return Err(Reason::Truncated);
    }
    // The whole header is there, the checksum included, before anything is decided.
    let rest = packet
        .load::<8>(l4.wrapping_add(12))
        .ok_or(Reason::Truncated)?;
    let header = u32::from(rest[0] >> 4).wrapping_mul(4);
    if header < TCP || header > room {
        return Err(Reason::Malformed);
    }
    Ok(rest[1])
}

/// The first chunk of an SCTP packet, in terms of TCP flags.
#[inline(always)]
fn sctp<P: Packet>(packet: &P, l4: usize, room: u32) -> Result<u8, Reason> {
    if room < SCTP {
        return Err(Reason::Truncated);
    }
    let [kind, _, _, _] = packet
        .load::<4>(l4.wrapping_add(sctp::HEADER))
        .ok_or(Reason::Truncated)?;
    Ok(sctp::as_tcp_flags(kind))
}

/// Checks a UDP header. Zero would be a jumbogram's length (RFC 2675), which no router forwards.
#[inline(always)]
fn udp<P: Packet>(packet: &P, l4: usize, room: u32, is_fragment: bool) -> Result<(), Reason> {
    if room < UDP {
        return Err(Reason::Truncated);
    }
    let [l0, l1, _, _] = packet
        .load::<4>(l4.wrapping_add(4))
        .ok_or(Reason::Truncated)?;
    let stated = u32::from(u16::from_be_bytes([l0, l1]));
    // The first fragment states the length of the whole datagram.
    if stated < UDP || (stated > room && !is_fragment) {
        return Err(Reason::Malformed);
    }
    Ok(())
}
