//! A block of addresses, `10.96.0.0/12`, and a range of ports, `30000-32767`, as users write them.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Serialize, Serializer};
use tidegate_abi::{
    Ip4, Ip6,
    settings::{Range4, Range6},
};

/// An address block; bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cidr {
    base: IpAddr,
    prefix: u8,
}

/// Ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PortRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl Cidr {
    /// The block of so many bits that an address lies in.
    pub(crate) fn around(ip: IpAddr, prefix: u8) -> Self {
        Self {
            base: mask(ip, prefix),
            prefix,
        }
    }

    /// Whether the address lies in the block; never across families.
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        mask(ip, self.prefix) == self.base && ip.is_ipv4() == self.base.is_ipv4()
    }

    /// Its first address, and how many bits of it count.
    pub(crate) fn parts(&self) -> (IpAddr, u8) {
        (self.base, self.prefix)
    }

    /// Its last address.
    pub(crate) fn last(&self) -> IpAddr {
        match self.base {
            IpAddr::V4(ip) => {
                let hosts = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                IpAddr::V4((ip.to_bits() | hosts).into())
            }
            IpAddr::V6(ip) => {
                let hosts = u128::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                IpAddr::V6((ip.to_bits() | hosts).into())
            }
        }
    }

    /// As the data path stores it; `None` for IPv6.
    pub(crate) fn range4(&self) -> Option<Range4> {
        let IpAddr::V4(base) = self.base else {
            return None;
        };
        let bits = u32::MAX
            .checked_shl(32 - u32::from(self.prefix))
            .unwrap_or(0);
        Some(Range4 {
            base: Ip4::new(base.octets()),
            mask: Ip4::new(bits.to_be_bytes()),
        })
    }

    /// As the data path stores it; `None` for IPv4.
    pub(crate) fn range6(&self) -> Option<Range6> {
        let IpAddr::V6(base) = self.base else {
            return None;
        };
        let bits = u128::MAX
            .checked_shl(128 - u32::from(self.prefix))
            .unwrap_or(0);
        Some(Range6 {
            base: Ip6::new(base.octets()),
            mask: Ip6::new(bits.to_be_bytes()),
        })
    }
}

impl PortRange {
    /// Whether the two ranges share a port.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

fn mask(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let bits = u32::MAX
                .checked_shl(32_u32.saturating_sub(prefix.into()))
                .unwrap_or(0);
            IpAddr::V4((ip.to_bits() & bits).into())
        }
        IpAddr::V6(ip) => {
            let bits = u128::MAX
                .checked_shl(128_u32.saturating_sub(prefix.into()))
                .unwrap_or(0);
            IpAddr::V6((ip.to_bits() & bits).into())
        }
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address block such as 10.96.0.0/12");
        let (ip, prefix) = text.trim().split_once('/').ok_or_else(wrong)?;
        let ip: IpAddr = ip.parse().map_err(|_not_an_address| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_not_a_number| wrong())?;
        if prefix > if ip.is_ipv4() { 32 } else { 128 } {
            return Err(wrong());
        }
        Ok(Self {
            base: mask(ip, prefix),
            prefix,
        })
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a range of ports such as 30000-32767");
        let (first, last) = text.trim().split_once('-').ok_or_else(wrong)?;
        let first: u16 = first.parse().map_err(|_not_a_port| wrong())?;
        let last: u16 = last.parse().map_err(|_not_a_port| wrong())?;
        if first == 0 || first > last {
            return Err(wrong());
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_block_contains_its_own_addresses_only() {
        let block = cidr("10.96.0.0/12");
        assert!(block.contains("10.111.255.255".parse().unwrap()));
        assert!(!block.contains("10.112.0.0".parse().unwrap()));
        assert!(!block.contains("fd00::1".parse().unwrap()));
        assert!(cidr("0.0.0.0/0").contains("8.8.8.8".parse().unwrap()));
        assert!(!cidr("::/0").contains("8.8.8.8".parse().unwrap()));
    }

    #[test]
    fn host_bits_are_cleared() {
        assert_eq!(cidr("10.100.3.4/12").to_string(), "10.96.0.0/12");
        assert_eq!(cidr("fd00:96::17/112").to_string(), "fd00:96::/112");
    }

    #[test]
    fn what_the_data_path_stores_is_base_and_mask() {
        let range = cidr("10.96.0.0/12").range4().unwrap();
        assert_eq!(range.mask.octets(), [255, 240, 0, 0]);
        let range = cidr("fd00:96::/112").range6().unwrap();
        assert_eq!(range.mask.octets()[13..], [255, 0, 0]);
        assert!(cidr("fd00:96::/112").range4().is_none());
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        for text in [
            "",
            "10.96.0.0",
            "10.96.0.0/33",
            "::/129",
            "x/1",
            "1.2.3.4/-1",
        ] {
            let error = text.parse::<Cidr>().unwrap_err();
            assert!(error.contains("is not an address block"), "{error}");
        }
        for text in ["", "1", "0-5", "9-8", "1-70000", "a-b"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_that_share_one_port_overlap() {
        let range = |first, last| PortRange { first, last };
        assert!(range(1, 10).overlaps(&range(10, 20)));
        assert!(!range(1, 9).overlaps(&range(10, 20)));
    }
}
