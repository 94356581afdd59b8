//! Complete Ethernet frames as bytes, written field by field.
//!
//! `Frame::tcp(client, service).flags(SYN).vlan(7).build()`: right by default, and every field can
//! be made wrong on purpose. Which methods exist depends on the transport, so nothing is silently
//! ignored: a UDP frame has no `flags`. The family follows from the addresses.
//! Mixing families, or IPv6 extension headers on IPv4, is a mistake in the test and panics.

pub mod ip;
pub mod extension;
pub mod tcp;
pub mod udp;
pub mod sctp;
pub mod icmp;
pub mod raw;
mod fragments;

use std::net::SocketAddr;

pub use extension::Extension;
pub use icmp::Icmp;
use ip::Ip;
pub use raw::{Raw, non_ip};
pub use sctp::{Chunk, Crc, Sctp};
pub use tcp::Tcp;
pub use udp::Udp;

use crate::roles::{CLIENT_MAC, NODE_MAC};

/// What to write into a checksum field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// The right one.
    #[default]
    Right,
    /// 0x0000, which in UDP over IPv4 means "not computed".
    Zero,
    /// One that does not verify (and is never zero).
    Wrong,
    /// This one.
    Exactly(u16),
}

impl Checksum {
    /// The field's value when `right` is the right one.
    pub fn choose(self, right: u16) -> u16 {
        match (self, right ^ 0x5555) {
            (Self::Right, _) => right,
            (Self::Zero, _) => 0,
            (Self::Wrong, 0) => 0x1111,
            (Self::Wrong, wrong) => wrong,
            (Self::Exactly(value), _) => value,
        }
    }
}

/// What stands behind the IP header.
pub trait Transport {
    /// Its IP protocol number.
    fn protocol(&self, v6: bool) -> u8;
    /// Header and payload; `src` and `dst` are what the pseudo-header names.
    fn segment(&self, src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8>;
}

/// A frame under construction.
#[derive(Clone, Debug)]
pub struct Frame<L> {
    src_mac: [u8; 6],
    dst_mac: [u8; 6],
    tags: Vec<[u8; 4]>,
    ethertype: Option<u16>,
    ip: Ip,
    transport: L,
    payload: Vec<u8>,
    patches: Vec<(usize, Vec<u8>)>,
    pad_to: usize,
    cut_to: usize,
}

impl<L: Transport> Frame<L> {
    fn new(src: SocketAddr, dst: SocketAddr, transport: L) -> Self {
        assert_eq!(
            src.is_ipv4(),
            dst.is_ipv4(),
            "a frame from {src} to {dst} mixes families"
        );
        Self {
            src_mac: CLIENT_MAC,
            dst_mac: NODE_MAC,
            tags: Vec::new(),
            ethertype: None,
            ip: Ip::new(src, dst),
            transport,
            payload: Vec::new(),
            patches: Vec::new(),
            pad_to: 0,
            cut_to: usize::MAX,
        }
    }

    /// Whether it is an IPv4 frame.
    pub fn is_v4(&self) -> bool {
        !self.ip.is_v6()
    }

    /// From which network card to which.
    pub fn macs(mut self, src: [u8; 6], dst: [u8; 6]) -> Self {
        (self.src_mac, self.dst_mac) = (src, dst);
        self
    }

    /// Adds an 802.1Q tag behind those already there.
    pub fn vlan(self, id: u16) -> Self {
        self.tag(0x8100, id)
    }

    /// Adds an 802.1ad (service) tag behind those already there.
    pub fn service_vlan(self, id: u16) -> Self {
        self.tag(0x88a8, id)
    }

    /// Adds a tag, with priority bits and all.
    pub fn tag(mut self, tpid: u16, tci: u16) -> Self {
        let ([a, b], [c, d]) = (tpid.to_be_bytes(), tci.to_be_bytes());
        self.tags.push([a, b, c, d]);
        self
    }

    /// Another EtherType than the family's own.
    pub fn ethertype(mut self, ethertype: u16) -> Self {
        self.ethertype = Some(ethertype);
        self
    }

    /// What the transport carries.
    pub fn payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// Overwrites bytes of the finished frame; no checksum is corrected.
    pub fn patch(mut self, at: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.patches.push((at, bytes.as_ref().to_vec()));
        self
    }

    /// Fills the finished frame with zeros up to `length` (Ethernet pads to 60).
    pub fn pad_to(mut self, length: usize) -> Self {
        self.pad_to = length;
        self
    }

    /// Cuts the finished frame off after `length` bytes.
    pub fn cut_to(mut self, length: usize) -> Self {
        self.cut_to = length;
        self
    }

    /// The frame's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.assemble(&self.ip, &self.segment())
    }

    /// The bytes from the IP header on, as an ICMP error quotes them.
    pub fn build_packet(&self) -> Vec<u8> {
        self.build().split_off(14 + 4 * self.tags.len())
    }

    fn segment(&self) -> Vec<u8> {
        self.transport
            .segment(self.ip.src, self.ip.final_destination(), &self.payload)
    }

    fn assemble(&self, ip: &Ip, body: &[u8]) -> Vec<u8> {
        let ethertype = self
            .ethertype
            .unwrap_or(if ip.is_v6() { 0x86dd } else { 0x0800 });
        let mut frame = Vec::new();
        frame.extend(self.dst_mac);
        frame.extend(self.src_mac);
        frame.extend(self.tags.iter().flatten());
        frame.extend(ethertype.to_be_bytes());
        frame.extend(ip.header(self.transport.protocol(ip.is_v6()), body.len()));
        frame.extend(body);
        for (at, bytes) in &self.patches {
            let end = at + bytes.len();
            assert!(
                end <= frame.len(),
                "patch {at}..{end} in a frame of {} bytes",
                frame.len()
            );
            frame[*at..end].copy_from_slice(bytes);
        }
        frame.resize(frame.len().max(self.pad_to), 0);
        frame.truncate(self.cut_to);
        frame
    }
}
