//! RFC 1071 sums over all bytes, from scratch. The checksum field itself counts as zero.

use std::net::IpAddr;

/// The ones' complement sum of `bytes` as big-endian 16-bit words; an odd byte is the high half.
pub fn sum(bytes: &[u8]) -> u16 {
    let mut total: u64 = 0;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        total += u64::from(u16::from_be_bytes([pair[0], low]));
    }
    while total > 0xffff {
        total = (total >> 16) + (total & 0xffff);
    }
    total as u16
}

/// Of an IPv4 header, options included.
pub fn ipv4_header(header: &[u8]) -> u16 {
    !sum(&blank(header, 10))
}

/// Of a TCP segment and its pseudo-header. Zero is a checksum like any other.
pub fn tcp(src: IpAddr, dst: IpAddr, segment: &[u8]) -> u16 {
    let mut bytes = pseudo_header(src, dst, 6, segment.len());
    bytes.extend(blank(segment, 16));
    !sum(&bytes)
}

/// Of a UDP datagram and its pseudo-header. A computed zero is sent as 0xFFFF (RFC 768).
pub fn udp(src: IpAddr, dst: IpAddr, datagram: &[u8]) -> u16 {
    let mut bytes = pseudo_header(src, dst, 17, datagram.len());
    bytes.extend(blank(datagram, 6));
    match !sum(&bytes) {
        0 => 0xffff,
        sum => sum,
    }
}

/// Of an ICMP message, which has no pseudo-header.
pub fn icmp(message: &[u8]) -> u16 {
    !sum(&blank(message, 2))
}

/// Of an ICMPv6 message and its pseudo-header.
pub fn icmpv6(src: IpAddr, dst: IpAddr, message: &[u8]) -> u16 {
    let mut bytes = pseudo_header(src, dst, 58, message.len());
    bytes.extend(blank(message, 2));
    !sum(&bytes)
}

/// RFC 9293 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6; the family is the source's.
pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for ip in [src, dst] {
        match ip {
            IpAddr::V4(ip) => bytes.extend(ip.octets()),
            IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
    }
    if src.is_ipv4() {
        bytes.extend([0, protocol]);
        bytes.extend((length as u16).to_be_bytes());
    } else {
        bytes.extend((length as u32).to_be_bytes());
        bytes.extend([0, 0, 0, protocol]);
    }
    bytes
}

/// A copy with the 16-bit field at `at` set to zero, if it is there.
pub fn blank(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    if let Some(field) = copy.get_mut(at..at + 2) {
        field.fill(0);
    }
    copy
}
