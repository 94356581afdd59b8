//! The TCP reset that answers a segment for which there is no connection.

use tidegate_abi::Proto;

use super::{TTL, icmp::Icmp, swap_macs};
use crate::{
    Packet, checksum,
    parse::{Headers, Ip},
    tcp::flag,
};

/// Length of the reset's TCP header.
const TCP: usize = 20;

/// Turns a segment into its reset (RFC 9293, section 3.10.7.1).
#[inline(always)]
pub(super) fn answer<A: Ip + Icmp, P: Packet>(packet: &mut P, headers: &Headers<A>) -> Option<()> {
    let [q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, _, _] =
        packet.load::<12>(headers.l4().wrapping_add(4))?;
    let (seq, ack, flags) = if flags & flag::ACK != 0 {
        ([a0, a1, a2, a3], [0; 4], flag::RST)
    } else {
        let end =
            u32::from_be_bytes([q0, q1, q2, q3]).wrapping_add(segment_len(headers, offset, flags));
        ([0; 4], end.to_be_bytes(), flag::RST | flag::ACK)
    };
    let segment = segment(headers, seq, ack, flags);
    packet.resize(headers.l3().wrapping_add(A::HEADER).wrapping_add(TCP))?;
    swap_macs(packet)?;
    A::write_header(
        packet,
        headers.l3(),
        headers.key.dst,
        headers.key.src,
        Proto::TCP,
        TTL,
        TCP as u16,
    )?;
    packet.store(headers.l3().wrapping_add(A::HEADER), segment)
}

/// SEG.LEN: the data, and one for each of SYN and FIN.
#[inline(always)]
fn segment_len<A: Icmp>(headers: &Headers<A>, offset: u8, flags: u8) -> u32 {
    let before = (headers.l4().wrapping_sub(headers.l3()) as u32)
        .wrapping_add(u32::from(offset >> 4).wrapping_mul(4));
    headers
        .ip_len
        .wrapping_sub(before)
        .wrapping_add(u32::from(flags & flag::SYN != 0))
        .wrapping_add(u32::from(flags & flag::FIN != 0))
}

#[inline(always)]
fn segment<A: Icmp>(headers: &Headers<A>, seq: [u8; 4], ack: [u8; 4], flags: u8) -> [u8; TCP] {
    let [s0, s1] = headers.key.dst_port.be16().to_ne_bytes();
    let [d0, d1] = headers.key.src_port.be16().to_ne_bytes();
    let ([q0, q1, q2, q3], [a0, a1, a2, a3]) = (seq, ack);
    let data_offset = (TCP as u8 / 4) << 4;
    let mut segment = [
        s0,
        s1,
        d0,
        d1,
        q0,
        q1,
        q2,
        q3,
        a0,
        a1,
        a2,
        a3,
        data_offset,
        flags,
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    let pseudo = checksum::pseudo(headers.key.src, headers.key.dst, Proto::TCP, TCP as u32);
    let sum = checksum::finish(checksum::add(pseudo, checksum::sum(&segment)));
    [segment[16], segment[17]] = sum.to_ne_bytes();
    segment
}
