//! The IP header of a frame, both families, with a setter for every field worth getting wrong.

use std::net::{IpAddr, SocketAddr};

use super::extension::Extension;
use super::{Checksum, Frame, Transport};
use crate::oracle::checksum;

/// The fields of an IP header. `None` means "what is right".
#[derive(Clone, Debug)]
pub(crate) struct Ip {
    pub(crate) src: SocketAddr,
    pub(crate) dst: SocketAddr,
    pub(crate) id: u16,
    pub(crate) dont_fragment: Option<bool>,
    pub(crate) more_fragments: bool,
    /// In units of eight bytes, as on the wire.
    pub(crate) offset: u16,
    pub(crate) extensions: Vec<Extension>,
    reserved_bit: bool,
    ttl: u8,
    tos: u8,
    flow_label: u32,
    options: Vec<u8>,
    version: Option<u8>,
    ihl: Option<u8>,
    length: Option<u16>,
    protocol: Option<u8>,
    checksum: Checksum,
}

impl Ip {
    pub(crate) fn new(src: SocketAddr, dst: SocketAddr) -> Self {
        Self {
            src,
            dst,
            id: 1,
            dont_fragment: None,
            more_fragments: false,
            offset: 0,
            extensions: Vec::new(),
            reserved_bit: false,
            ttl: 64,
            tos: 0,
            flow_label: 0,
            options: Vec::new(),
            version: None,
            ihl: None,
            length: None,
            protocol: None,
            checksum: Checksum::Right,
        }
    }

    pub(crate) fn is_v6(&self) -> bool {
        self.src.is_ipv6()
    }

    /// Where the packet ends up: RFC 8200 section 8.1 sums that address, not the next hop's.
    pub(crate) fn final_destination(&self) -> SocketAddr {
        let routed = self
            .extensions
            .iter()
            .find_map(Extension::final_destination);
        routed.map_or(self.dst, |ip| SocketAddr::new(ip.into(), self.dst.port()))
    }

    /// The header, with options or extension headers, in front of `body` bytes.
    pub(crate) fn header(&self, protocol: u8, body: usize) -> Vec<u8> {
        match (self.src.ip(), self.dst.ip()) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                assert!(self.extensions.is_empty(), "IPv4 has no extension headers");
                self.v4(protocol, body, src.octets(), dst.octets())
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                assert!(
                    self.options.is_empty(),
                    "IPv6 has no header options, use an extension"
                );
                self.v6(protocol, body, src.octets(), dst.octets())
            }
            (src, dst) => panic!("a packet from {src} to {dst} mixes families"),
        }
    }

    fn v4(&self, protocol: u8, body: usize, src: [u8; 4], dst: [u8; 4]) -> Vec<u8> {
        let size = 20 + self.options.len();
        let version = self.version.unwrap_or(4);
        let ihl = self.ihl.unwrap_or((size / 4) as u8);
        let fragmented = self.more_fragments || self.offset != 0;
        let dont_fragment = self.dont_fragment.unwrap_or(!fragmented);
        let flags = u16::from(self.reserved_bit) << 15
            | u16::from(dont_fragment) << 14
            | u16::from(self.more_fragments) << 13;
        let mut header = vec![(version << 4) | (ihl & 15), self.tos];
        header.extend(self.length.unwrap_or((size + body) as u16).to_be_bytes());
        header.extend(self.id.to_be_bytes());
        header.extend((flags | (self.offset & 0x1fff)).to_be_bytes());
        header.extend([self.ttl, self.protocol.unwrap_or(protocol), 0, 0]);
        header.extend(src);
        header.extend(dst);
        header.extend(&self.options);
        let sum = self.checksum.choose(checksum::ipv4_header(&header));
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }

    fn v6(&self, protocol: u8, body: usize, src: [u8; 16], dst: [u8; 16]) -> Vec<u8> {
        let mut next = self.protocol.unwrap_or(protocol);
        let mut chain = Vec::new();
        for extension in self.extensions.iter().rev() {
            chain.splice(0..0, extension.bytes(next));
            next = extension.number();
        }
        let version = u32::from(self.version.unwrap_or(6));
        let first = version << 28 | u32::from(self.tos) << 20 | (self.flow_label & 0xf_ffff);
        let mut header = first.to_be_bytes().to_vec();
        header.extend(
            self.length
                .unwrap_or((chain.len() + body) as u16)
                .to_be_bytes(),
        );
        header.extend([next, self.ttl]);
        header.extend(src);
        header.extend(dst);
        header.extend(chain);
        header
    }
}

/// The setters of the IP header.
impl<L: Transport> Frame<L> {
    /// Time to live, or hop limit.
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ip.ttl = ttl;
        self
    }

    /// Type of service, or traffic class.
    pub fn tos(mut self, tos: u8) -> Self {
        self.ip.tos = tos;
        self
    }

    /// IPv6's flow label; IPv4 has none and shows nothing of it.
    pub fn flow_label(mut self, label: u32) -> Self {
        self.ip.flow_label = label;
        self
    }

    /// IPv4's identification, also used by [`Frame::fragments`] in both families.
    pub fn id(mut self, id: u16) -> Self {
        self.ip.id = id;
        self
    }

    /// IPv4's "don't fragment"; set by default unless the frame is a fragment.
    pub fn dont_fragment(mut self, set: bool) -> Self {
        self.ip.dont_fragment = Some(set);
        self
    }

    /// IPv4's "more fragments".
    pub fn more_fragments(mut self, set: bool) -> Self {
        self.ip.more_fragments = set;
        self
    }

    /// IPv4's fragment offset in bytes (a multiple of eight); the transport header still follows,
    /// see [`Frame::fragments`] for the real thing.
    pub fn fragment_offset(mut self, bytes: u16) -> Self {
        self.ip.offset = bytes / 8;
        self
    }

    /// IPv4's reserved flag, which must be zero.
    pub fn reserved_bit(mut self, set: bool) -> Self {
        self.ip.reserved_bit = set;
        self
    }

    /// IPv4 options, filled up with "end of options" to a multiple of four bytes (at most 40).
    pub fn ip_options(mut self, options: &[u8]) -> Self {
        assert!(
            options.len() <= 40,
            "{} bytes of IPv4 options, at most 40 fit",
            options.len()
        );
        self.ip.options = options.to_vec();
        self.ip.options.resize(options.len().next_multiple_of(4), 0);
        self
    }

    /// Adds an IPv6 extension header behind those already there.
    pub fn extension(mut self, extension: Extension) -> Self {
        self.ip.extensions.push(extension);
        self
    }

    /// Another version number in the IP header.
    pub fn ip_version(mut self, version: u8) -> Self {
        self.ip.version = Some(version);
        self
    }

    /// Another IPv4 header length, in words of four bytes.
    pub fn ihl(mut self, words: u8) -> Self {
        self.ip.ihl = Some(words);
        self
    }

    /// Another IPv4 total length, or IPv6 payload length.
    pub fn ip_length(mut self, length: u16) -> Self {
        self.ip.length = Some(length);
        self
    }

    /// Another protocol number (in IPv6: of the last header in the chain).
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.ip.protocol = Some(protocol);
        self
    }

    /// The IPv4 header's checksum.
    pub fn ip_checksum(mut self, checksum: Checksum) -> Self {
        self.ip.checksum = checksum;
        self
    }
}
