//! ICMP and ICMPv6 messages. The endpoints' ports play no part.

use std::net::SocketAddr;

use super::{Checksum, Frame, Transport};
use crate::oracle::checksum;

/// An ICMP header's fields.
#[derive(Clone, Debug)]
pub struct Icmp {
    kind: u8,
    code: u8,
    rest: [u8; 4],
    checksum: Checksum,
}

impl Transport for Icmp {
    fn protocol(&self, v6: bool) -> u8 {
        if v6 { 58 } else { 1 }
    }

    fn segment(&self, src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let mut message = vec![self.kind, self.code, 0, 0];
        message.extend(self.rest);
        message.extend(payload);
        let right = match src.is_ipv6() {
            true => checksum::icmpv6(src.ip(), dst.ip(), &message),
            false => checksum::icmp(&message),
        };
        message[2..4].copy_from_slice(&self.checksum.choose(right).to_be_bytes());
        message
    }
}

impl Frame<Icmp> {
    /// Any message.
    pub fn icmp(src: SocketAddr, dst: SocketAddr, kind: u8, code: u8) -> Self {
        Self::new(
            src,
            dst,
            Icmp {
                kind,
                code,
                rest: [0; 4],
                checksum: Checksum::Right,
            },
        )
    }

    /// An echo request.
    pub fn echo(src: SocketAddr, dst: SocketAddr, id: u16, sequence: u16) -> Self {
        let ([a, b], [c, d]) = (id.to_be_bytes(), sequence.to_be_bytes());
        Self::icmp(src, dst, if src.is_ipv6() { 128 } else { 8 }, 0).rest([a, b, c, d])
    }

    /// "Port unreachable", still without the packet it is about.
    pub fn port_unreachable(src: SocketAddr, dst: SocketAddr) -> Self {
        let (kind, code) = if src.is_ipv6() { (1, 4) } else { (3, 3) };
        Self::icmp(src, dst, kind, code)
    }

    /// "Time (or hop limit) exceeded in transit", still without the packet it is about.
    pub fn time_exceeded(src: SocketAddr, dst: SocketAddr) -> Self {
        Self::icmp(src, dst, if src.is_ipv6() { 3 } else { 11 }, 0)
    }

    /// "Fragmentation needed", or "packet too big", still without the packet it is about.
    pub fn too_big(src: SocketAddr, dst: SocketAddr, mtu: u32) -> Self {
        let (kind, code) = if src.is_ipv6() { (2, 0) } else { (3, 4) };
        Self::icmp(src, dst, kind, code).mtu(mtu)
    }

    /// The largest packet that fits: 32 bits in ICMPv6, the low 16 bits in ICMP.
    pub fn mtu(mut self, mtu: u32) -> Self {
        let [a, b, c, d] = mtu.to_be_bytes();
        self.transport.rest = if self.ip.is_v6() {
            [a, b, c, d]
        } else {
            [0, 0, c, d]
        };
        self
    }

    /// The four bytes behind the checksum.
    pub fn rest(mut self, rest: [u8; 4]) -> Self {
        self.transport.rest = rest;
        self
    }

    /// The packet it is about: bytes from an IP header on, at most `limit` of them.
    pub fn quoting(self, packet: &[u8], limit: usize) -> Self {
        self.payload(&packet[..packet.len().min(limit)])
    }

    /// The packet it is about, at most `limit` bytes of it, filled up with zeros to 128 bytes or
    /// more, then an extension (RFC 4884): the message says how long the quote is.
    pub fn quoting_with_extension(mut self, packet: &[u8], limit: usize, extension: &[u8]) -> Self {
        let unit = if self.ip.is_v6() { 8 } else { 4 };
        let mut payload = packet[..packet.len().min(limit)].to_vec();
        payload.resize(payload.len().max(128).next_multiple_of(unit), 0);
        let place = if self.ip.is_v6() { 0 } else { 1 };
        self.transport.rest[place] = (payload.len() / unit) as u8;
        payload.extend(extension);
        self.payload(payload)
    }

    /// The checksum.
    pub fn checksum(mut self, checksum: Checksum) -> Self {
        self.transport.checksum = checksum;
        self
    }
}
