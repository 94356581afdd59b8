//! `spec.loadBalancerSourceRanges`, one family at a time (rules 1.1.10 to 1.1.12).

use std::{fmt, net::IpAddr};

use k8s_openapi::api::core::v1::ServiceSpec;
use tidegate_abi::Family;

use super::spec::Type;
use crate::address;

/// A block of addresses whose clients are let in.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SourceRange {
    /// The block's first address: its host bits are zero.
    pub addr: IpAddr,
    /// How many bits of the address count.
    pub prefix_len: u8,
}

impl fmt::Display for SourceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

/// The blocks of a family, sorted, each once. Empty: everybody is let in.
///
/// The list is filtered first: one that names only the other family leaves this one open (rule
/// 1.1.12). A block of all addresses is as good as no list (rule 1.1.11).
pub(super) fn of_family(spec: &ServiceSpec, family: Family) -> Vec<SourceRange> {
    if Type::of(spec) != Type::LoadBalancer {
        return Vec::new();
    }
    let texts = spec.load_balancer_source_ranges.iter().flatten();
    let mut ranges: Vec<_> = texts
        .filter_map(|text| address::parse_block(text))
        .filter(|(addr, _)| address::family(*addr) == family)
        .map(|(addr, prefix_len)| SourceRange { addr, prefix_len })
        .collect();
    if ranges.iter().any(|range| range.prefix_len == 0) {
        ranges.clear();
    }
    ranges.sort_unstable();
    ranges.dedup();
    ranges
}
