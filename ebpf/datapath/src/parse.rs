//! Step 1: what is it? Bytes to [`Headers`], with every length checked against the frame.

use tidegate_abi::{Address, FlowKey, Proto, Reason};

use crate::Packet;

mod ip;
pub mod quote;
mod transport;

pub use ip::{Header, Ip, Piece};
pub use quote::Quote;

/// Ethertypes that matter.
mod ethertype {
    pub(super) const IPV4: [u8; 2] = [0x08, 0x00];
    pub(super) const IPV6: [u8; 2] = [0x86, 0xdd];
    pub(super) const VLAN: [u8; 2] = [0x81, 0x00];
    pub(super) const SERVICE_VLAN: [u8; 2] = [0x88, 0xa8];
}

/// Length of an Ethernet header.
pub const ETHERNET: usize = 14;
/// Length of a VLAN tag.
const TAG: usize = 4;

/// What follows the link header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Network {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The link header of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Link {
    /// What follows it.
    pub network: Network,
    /// Where that begins: 14, 18 or 22.
    pub l3: usize,
}

/// A frame that may belong to a flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Headers<A> {
    /// The tuple.
    pub key: FlowKey<A>,
    /// Offset of the IP header. Half a word, so that whoever reads it back from memory knows a bound.
    pub l3: u16,
    /// Offset of the transport header.
    pub l4: u16,
    /// Bytes from the IP header on, link padding excluded.
    pub ip_len: u32,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// TCP flags; for SCTP those that mean the same as its first chunk; zero for UDP.
    pub tcp_flags: u8,
    /// 1 when routers may cut the packet up (IPv4 without DF).
    pub may_fragment: u8,
}

impl<A: Address> Headers<A> {
    /// Those of a packet without a transport header of its own, under a given tuple.
    #[inline(always)]
    pub fn of(l3: usize, ip: &Header<A>, key: FlowKey<A>) -> Self {
        Self {
            key,
            l3: l3 as u16,
            l4: ip.l4 as u16,
            ip_len: ip.len,
            ttl: ip.ttl,
            tcp_flags: 0,
            may_fragment: u8::from(ip.may_fragment),
        }
    }

    /// Whether there are VLAN tags in the frame.
    #[inline(always)]
    pub fn is_tagged(&self) -> bool {
        self.l3() != ETHERNET
    }

    /// Offset of the IP header.
    #[inline(always)]
    pub fn l3(&self) -> usize {
        usize::from(self.l3)
    }

    /// Offset of the transport header.
    #[inline(always)]
    pub fn l4(&self) -> usize {
        usize::from(self.l4)
    }

    /// Whether this is the first packet that a new flow may have.
    #[inline(always)]
    pub fn may_open(&self) -> bool {
        self.key.proto == Proto::UDP || crate::tcp::opens(self.tcp_flags)
    }
}

/// Ethernet and up to two VLAN tags (IEEE 802.1Q, 802.1ad).
#[inline(always)]
pub fn link<P: Packet>(packet: &P) -> Result<Link, Reason> {
    let mut kind = packet.load::<2>(12).ok_or(Reason::Truncated)?;
    let mut l3 = ETHERNET;
    if is_tag(kind) {
        kind = packet.load::<2>(16).ok_or(Reason::Truncated)?;
        l3 = ETHERNET + TAG;
        if is_tag(kind) {
            kind = packet.load::<2>(20).ok_or(Reason::Truncated)?;
            l3 = ETHERNET + TAG + TAG;
        }
    }
    let network = match kind {
        ethertype::IPV4 => Network::V4,
        ethertype::IPV6 => Network::V6,
        kind if is_tag(kind) => return Err(Reason::TooManyHeaders),
        _ => return Err(Reason::NotIp),
    };
    Ok(Link { network, l3 })
}

#[inline(always)]
fn is_tag(kind: [u8; 2]) -> bool {
    matches!(kind, ethertype::VLAN | ethertype::SERVICE_VLAN)
}

/// IP and transport headers of whole TCP and UDP packets; the others are for [`crate::aside`].
#[inline(always)]
pub fn headers<A: Ip, P: Packet>(packet: &P, l3: usize) -> Result<Headers<A>, Reason> {
    let ip = A::header(packet, l3)?;
    if ip.piece.is_fragment {
        return Err(Reason::Fragment);
    }
    match ip.proto {
        Proto::TCP | Proto::UDP => {}
        Proto::ICMP | Proto::ICMP6 | Proto::SCTP => return Err(Reason::Rare),
        _ => return Err(Reason::NotTransport),
    }
    transport::header(packet, l3, &ip)
}

/// The transport header behind an IP header; TCP, UDP and SCTP, also of first fragments.
#[inline(always)]
pub fn behind<A: Ip, P: Packet>(
    packet: &P,
    l3: usize,
    ip: &Header<A>,
) -> Result<Headers<A>, Reason> {
    transport::header(packet, l3, ip)
}
