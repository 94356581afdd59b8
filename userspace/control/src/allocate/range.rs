//! Ranges of addresses and ports, and the bands in them. A range is two numbers, however large.

use std::{
    fmt,
    net::IpAddr,
    ops::{Range, RangeInclusive},
};

use tidegate_abi::Family;

use crate::address;

/// What there is to give.
#[derive(Clone, Debug)]
pub struct Ranges {
    /// NodePorts and health-check ports.
    pub node_ports: RangeInclusive<u16>,
    /// Blocks that clusterIPs come from; the first one's family is the default.
    pub service_blocks: Vec<ServiceBlock>,
    /// Load-balancer addresses, the pool to be used first first; empty: nobody gets one.
    pub pools: Vec<AddressRange>,
}

/// Neighbouring addresses of one family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressRange {
    family: Family,
    first: u128,
    len: u128,
}

/// A block that clusterIPs come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServiceBlock {
    network: IpAddr,
    prefix: u8,
    usable: AddressRange,
    /// How many addresses at the start are for those who choose their own.
    fixed: u128,
}

impl AddressRange {
    /// From the first address to the last, both included; none if there is no such range.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let family = address::family(first);
        let (first, end) = (bits(first), bits(last));
        let is_range = address::family(last) == family && first <= end;
        // All of IPv6 has one address more than can be counted; nobody will miss the last.
        let len = end.wrapping_sub(first).saturating_add(1);
        is_range.then_some(Self { family, first, len })
    }

    /// Whether the address is in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        address::family(ip) == self.family
            && bits(ip)
                .checked_sub(self.first)
                .is_some_and(|offset| offset < self.len)
    }

    /// The family of its addresses.
    pub fn family(&self) -> Family {
        self.family
    }

    /// How many addresses there are.
    pub(super) fn len(&self) -> u128 {
        self.len
    }

    /// The address at an offset, which must be in the range.
    pub(super) fn at(&self, offset: u128) -> IpAddr {
        let bits = self.first.wrapping_add(offset);
        match self.family {
            Family::V4 => IpAddr::V4(u32::try_from(bits).unwrap_or(u32::MAX).into()),
            Family::V6 => IpAddr::V6(bits.into()),
        }
    }
}

impl ServiceBlock {
    /// The block of a network address, whose host bits must be zero, and a prefix length.
    pub fn new(network: IpAddr, prefix: u8) -> Self {
        let family = address::family(network);
        let width = if family == Family::V4 { 32 } else { 128 };
        let host_bits = u32::from(width.max(prefix) - prefix);
        let size = 1_u128.checked_shl(host_bits).unwrap_or(u128::MAX);
        // Rule 1.6.4: not the network, and for IPv4 not the broadcast address.
        let unusable = if family == Family::V4 { 2 } else { 1 };
        let usable = AddressRange {
            family,
            first: bits(network).wrapping_add(1),
            len: size.saturating_sub(unusable),
        };
        let fixed = static_band(size, 16, 256).min(usable.len);
        Self {
            network,
            prefix,
            usable,
            fixed,
        }
    }

    /// The addresses that a Service may have.
    pub fn usable(&self) -> &AddressRange {
        &self.usable
    }

    /// The static band, then the dynamic one, as offsets into [`Self::usable`] (rule 1.6.3).
    pub(super) fn bands(&self) -> [Range<u128>; 2] {
        [0..self.fixed, self.fixed..self.usable.len]
    }
}

impl Ranges {
    /// The blocks of a family.
    pub(super) fn blocks(&self, family: Family) -> impl Iterator<Item = &ServiceBlock> {
        self.service_blocks
            .iter()
            .filter(move |block| block.usable.family == family)
    }

    /// The pools of a family.
    pub(super) fn pools(&self, family: Family) -> impl Iterator<Item = &AddressRange> {
        self.pools.iter().filter(move |pool| pool.family == family)
    }

    /// The first address of a family, which is `default/kubernetes`' (rule 1.6.5).
    pub(super) fn first(&self, family: Family) -> Option<IpAddr> {
        self.by_convention(family, 1)
    }

    /// The address that clusters give to their DNS server (rule 1.6.5).
    pub(super) fn dns(&self, family: Family) -> Option<IpAddr> {
        self.by_convention(family, 10)
    }

    /// The static band, then the dynamic one, as offsets into the NodePort range (rule 1.6.2).
    pub(super) fn port_bands(&self) -> [Range<u128>; 2] {
        let size = self.node_ports.len() as u128;
        let fixed = static_band(size, 32, 128);
        [0..fixed, fixed..size]
    }

    /// The number at an offset, which must be in the NodePort range.
    pub(super) fn port_at(&self, offset: u128) -> u16 {
        let offset = u16::try_from(offset).unwrap_or(u16::MAX);
        self.node_ports.start().saturating_add(offset)
    }

    /// The blocks of a family, as the operator wrote them.
    pub(super) fn blocks_text(&self, family: Family) -> String {
        joined(family, self.blocks(family))
    }

    /// The pools of a family.
    pub(super) fn pools_text(&self, family: Family) -> String {
        joined(family, self.pools(family))
    }

    fn by_convention(&self, family: Family, index: u128) -> Option<IpAddr> {
        let usable = self.blocks(family).next()?.usable;
        (index <= usable.len).then(|| usable.at(index - 1))
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at(0), self.at(self.len - 1))
    }
}

impl fmt::Display for ServiceBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

/// How many numbers at a range's start are not given out while there are others.
fn static_band(size: u128, share: u128, most: u128) -> u128 {
    const LEAST: u128 = 16;
    if size <= LEAST {
        return 0;
    }
    (size / share).clamp(LEAST, most)
}

fn joined(family: Family, items: impl Iterator<Item = impl fmt::Display>) -> String {
    let texts: Vec<String> = items.map(|item| item.to_string()).collect();
    match texts.as_slice() {
        [] => format!("none of {}", address::family_name(family)),
        texts => texts.join(", "),
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}
