//! Step 7: the packet itself, last. Forward and reply are one function: the record says what comes out.

use tidegate_abi::{Flow, Proto};

use crate::{
    Packet,
    checksum::{self, Change},
    door::Way,
    parse::{Headers, Ip},
};

/// Offset of the checksum in a TCP and in a UDP header.
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

/// Writes addresses, ports, checksums, time to live and, where needed, Ethernet addresses.
#[inline(always)]
pub fn apply<A: Ip, P: Packet>(
    packet: &mut P,
    headers: &Headers<A>,
    flow: &Flow<A>,
    way: &Way,
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
    let at = headers
        .l4()
        .wrapping_add(if udp { UDP_CHECKSUM } else { TCP_CHECKSUM });
    packet.adjust_checksum(at, change)?;
    A::rewrite(packet, headers.l3(), way.hops, old, new)?;
    packet.store(headers.l4(), new_ports)?;
    match way.macs {
        Some(macs) => packet.store(0, macs),
        None => Some(()),
    }
}

#[inline(always)]
fn ports(src: u16, dst: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (src.to_ne_bytes(), dst.to_ne_bytes());
    [a, b, c, d]
}
