//! Step 7: the packet itself, last. Forward and reply are one function: the record says what comes out.

use tidegate_abi::{Flow, Proto, flow::flags};

use crate::{
    Packet,
    checksum::{self, Change},
    door::Way,
    parse::{Headers, Ip, Piece},
    sctp,
};

/// Offset of the checksum in a TCP and in a UDP header.
pub(crate) const TCP_CHECKSUM: usize = 16;
pub(crate) const UDP_CHECKSUM: usize = 6;

/// Writes addresses, ports, checksums, time to live and, where needed, Ethernet addresses. Only
/// `rare` packets are SCTP or fragments.
#[inline(always)]
pub fn apply<A: Ip, P: Packet>(
    packet: &mut P,
    headers: &Headers<A>,
    flow: &Flow<A>,
    way: &Way,
    rare: Option<&Piece>,
) -> Option<()> {
    let key = &headers.key;
    let (old, new) = ((key.src, key.dst), (flow.src, flow.dst));
    let udp = key.proto == Proto::UDP;
    let old_ports = ports(key.src_port.be16(), key.dst_port.be16());
    let new_ports = ports(flow.src_port.be16(), flow.dst_port.be16());
    let change = Change {
        addresses: checksum::addresses(old, new),
        ports: checksum::word(old_ports, new_ports),
        udp,
        v6: A::HEADER == 40,
    };
    if let Some(piece) = rare {
        mix_id(packet, headers, flow, piece)?;
    }
    if rare.is_some() && key.proto == Proto::SCTP {
        adjust_sctp(packet, headers, old_ports, new_ports)?;
        if A::HEADER == 40 {
            packet.unbalance(change.addresses);
        }
    } else {
        let at = headers
            .l4()
            .wrapping_add(if udp { UDP_CHECKSUM } else { TCP_CHECKSUM });
        packet.adjust_checksum(at, change)?;
    }
    A::rewrite(packet, headers.l3(), way.hops, old, new)?;
    packet.store(headers.l4(), new_ports)?;
    match way.macs {
        Some(macs) => packet.store(0, macs),
        None => Some(()),
    }
}

/// Gives a masqueraded fragment an identification of its own: two clients may use the same one, and the
/// backend would take their fragments for parts of one datagram. The masquerade port tells them apart.
#[inline(always)]
pub(crate) fn mix_id<A: Ip, P: Packet>(
    packet: &mut P,
    headers: &Headers<A>,
    flow: &Flow<A>,
    piece: &Piece,
) -> Option<()> {
    let masqueraded = flow.flags & (flags::MASQUERADE | flags::REPLY) == flags::MASQUERADE;
    if !masqueraded || !piece.is_fragment {
        return Some(());
    }
    let with = flow.src_port.be16().to_ne_bytes();
    if A::HEADER == 40 {
        let at = piece.id_at.wrapping_add(2);
        let [i0, i1] = packet.load::<2>(at)?;
        let change = checksum::word([i0, i1, 0, 0], [i0 ^ with[0], i1 ^ with[1], 0, 0]);
        packet.unbalance(change);
    }
    A::mix_id(packet, headers.l3(), piece, with)
}

/// SCTP's checksum covers the ports but no pseudo header (rule 5.4.3).
#[inline(always)]
fn adjust_sctp<A: Ip, P: Packet>(
    packet: &mut P,
    headers: &Headers<A>,
    old: [u8; 4],
    new: [u8; 4],
) -> Option<()> {
    if old == new {
        return Some(());
    }
    let before = headers.l4().wrapping_sub(headers.l3()) as u32;
    let at = headers.l4().wrapping_add(sctp::CHECKSUM);
    let sum = packet.load::<4>(at)?;
    // Left to the device, which sums over the field as it stands (partial), or none at all (RFC 9653).
    if sum == [0; 4] {
        packet.unbalance(checksum::word(old, new));
        return Some(());
    }
    let len = headers.ip_len.wrapping_sub(before);
    let fresh = sctp::updated(packet, sum, old, new, len);
    packet.unbalance(checksum::add(
        checksum::word(old, new),
        checksum::word(sum, fresh),
    ));
    packet.store(at, fresh)
}

/// Two ports as they stand in a header.
#[inline(always)]
pub(crate) fn ports(src: u16, dst: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (src.to_ne_bytes(), dst.to_ne_bytes());
    [a, b, c, d]
}
