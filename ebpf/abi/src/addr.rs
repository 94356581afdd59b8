//! Addresses, ports and protocols: newtypes over network-order bytes.
//!
//! The bytes in memory are the bytes on the wire. The only swaps are in the `get` functions of [`Port`].

use bytemuck::{Pod, Zeroable};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    device::Device,
    settings::{Range4, Range6, Settings},
};

/// An IPv4 address: four bytes, network order, aligned as one word so that the kernel moves it as one.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Pod, Zeroable)]
pub struct Ip4(u32);

/// An IPv6 address: sixteen bytes, network order.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Pod, Zeroable)]
pub struct Ip6([u32; 4]);

/// A transport port in network order.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Pod, Zeroable)]
pub struct Port(u16);

/// An IP protocol number (IANA "Assigned Internet Protocol Numbers").
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Pod, Zeroable)]
pub struct Proto(pub u8);

/// An Ethernet address.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Pod, Zeroable)]
pub struct Mac(pub [u8; 6]);

/// Which of the two address families a value belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An IP address of one family; the journey is generic over it.
pub trait Address: Pod + Eq + core::hash::Hash + Ord + Default + core::fmt::Debug {
    /// The family of this address type.
    const FAMILY: Family;
    /// The value as 32-bit words in network-order bytes; IPv4 uses the first only.
    fn words(self) -> [u32; 4];
    /// The address as an IPv6 one; IPv4 in its IPv4-mapped form (RFC 4291, section 2.5.5.2).
    fn mapped(self) -> Ip6;
    /// The address as the standard library's type.
    fn to_ip(self) -> IpAddr;
    /// The inverse of [`Address::to_ip`]; `None` for the other family.
    fn from_ip(ip: IpAddr) -> Option<Self>;
    /// Whether the address is one of the loopback's.
    fn is_loopback(self) -> bool;
    /// Whether a packet on a wire may come from the address: not the unspecified one, none of the loopback's,
    /// no group's (RFC 1122 section 3.2.1.3, RFC 4291 section 2.7).
    fn may_send(self) -> bool;
    /// The node's primary address of this family; the unspecified address: none.
    fn of_node(settings: &Settings) -> Self;
    /// The masquerade address of a device; the unspecified address: none.
    fn of_device(device: &Device) -> Self;
    /// Whether the address lies in a service range.
    fn in_service_range(self, settings: &Settings) -> bool;
    /// Whether the address lies in a range of pods.
    fn in_pod_range(self, settings: &Settings) -> bool;
}

impl Ip4 {
    /// From four octets in the order in which they are written.
    #[inline(always)]
    pub const fn new(octets: [u8; 4]) -> Self {
        Self(u32::from_ne_bytes(octets))
    }

    /// The four octets in the order in which they are written.
    #[inline(always)]
    pub const fn octets(self) -> [u8; 4] {
        self.0.to_ne_bytes()
    }

    /// From the kernel's `__be32`, whose value is the memory word itself.
    #[inline(always)]
    pub const fn from_be32(word: u32) -> Self {
        Self(word)
    }

    /// The kernel's `__be32`.
    #[inline(always)]
    pub const fn be32(self) -> u32 {
        self.0
    }

    #[inline(always)]
    fn is_in(self, range: &Range4) -> bool {
        range.mask.0 != 0 && self.0 & range.mask.0 == range.base.0
    }
}

impl Ip6 {
    /// From sixteen octets in the order in which they are written.
    #[inline(always)]
    pub const fn new(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self([
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
        ])
    }

    /// The sixteen octets in the order in which they are written.
    #[inline(always)]
    pub fn octets(self) -> [u8; 16] {
        bytemuck::cast(self.0)
    }

    /// From the kernel's `__be32[4]`.
    #[inline(always)]
    pub const fn from_be32(words: [u32; 4]) -> Self {
        Self(words)
    }

    /// The kernel's `__be32[4]`.
    #[inline(always)]
    pub const fn be32(self) -> [u32; 4] {
        self.0
    }

    #[inline(always)]
    fn is_in(self, range: &Range6) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, range.mask.0);
        e != 0 && [a & e, b & f, c & g, d & h] == range.base.0
    }
}

impl Port {
    /// From a number in the host's order.
    #[inline(always)]
    pub const fn new(number: u16) -> Self {
        Self(number.to_be())
    }

    /// The number in the host's order.
    #[inline(always)]
    pub const fn get(self) -> u16 {
        u16::from_be(self.0)
    }

    /// From the kernel's `__be16`.
    #[inline(always)]
    pub const fn from_be16(word: u16) -> Self {
        Self(word)
    }

    /// The kernel's `__be16`.
    #[inline(always)]
    pub const fn be16(self) -> u16 {
        self.0
    }
}

impl Proto {
    /// Internet Control Message Protocol for IPv4 (RFC 792).
    pub const ICMP: Self = Self(1);
    /// Transmission Control Protocol (RFC 9293).
    pub const TCP: Self = Self(6);
    /// User Datagram Protocol (RFC 768).
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6 (RFC 4443).
    pub const ICMP6: Self = Self(58);
    /// Stream Control Transmission Protocol (RFC 9260).
    pub const SCTP: Self = Self(132);

    /// The name as Kubernetes writes it; other numbers have none.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::TCP => Some("TCP"),
            Self::UDP => Some("UDP"),
            Self::SCTP => Some("SCTP"),
            _ => None,
        }
    }
}

impl Address for Ip4 {
    const FAMILY: Family = Family::V4;

    #[inline(always)]
    fn words(self) -> [u32; 4] {
        [self.0, 0, 0, 0]
    }

    #[inline(always)]
    fn mapped(self) -> Ip6 {
        Ip6([0, 0, 0xffff_u32.to_be(), self.0])
    }

    fn to_ip(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(self.octets()))
    }

    fn from_ip(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(ip) => Some(Self::new(ip.octets())),
            IpAddr::V6(_) => None,
        }
    }

    #[inline(always)]
    fn is_loopback(self) -> bool {
        self.octets()[0] == 127
    }

    #[inline(always)]
    fn may_send(self) -> bool {
        let first = self.octets()[0];
        self.0 != 0 && self.0 != u32::MAX && first != 127 && first & 0xf0 != 224
    }

    #[inline(always)]
    fn of_node(settings: &Settings) -> Self {
        settings.node4
    }

    #[inline(always)]
    fn of_device(device: &Device) -> Self {
        device.masquerade4
    }

    #[inline(always)]
    fn in_service_range(self, settings: &Settings) -> bool {
        settings.service4.iter().any(|range| self.is_in(range))
    }

    #[inline(always)]
    fn in_pod_range(self, settings: &Settings) -> bool {
        settings.pod4.iter().any(|range| self.is_in(range))
    }
}

impl Address for Ip6 {
    const FAMILY: Family = Family::V6;

    #[inline(always)]
    fn mapped(self) -> Ip6 {
        self
    }

    #[inline(always)]
    fn words(self) -> [u32; 4] {
        self.0
    }

    fn to_ip(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(self.octets()))
    }

    fn from_ip(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(ip) => Some(Self::new(ip.octets())),
        }
    }

    #[inline(always)]
    fn is_loopback(self) -> bool {
        self == Self::from_be32([0, 0, 0, 1u32.to_be()])
    }

    #[inline(always)]
    fn may_send(self) -> bool {
        self != Self::default() && !self.is_loopback() && self.octets()[0] != 0xff
    }

    #[inline(always)]
    fn of_node(settings: &Settings) -> Self {
        settings.node6
    }

    #[inline(always)]
    fn of_device(device: &Device) -> Self {
        device.masquerade6
    }

    #[inline(always)]
    fn in_service_range(self, settings: &Settings) -> bool {
        settings.service6.iter().any(|range| self.is_in(range))
    }

    #[inline(always)]
    fn in_pod_range(self, settings: &Settings) -> bool {
        settings.pod6.iter().any(|range| self.is_in(range))
    }
}
