//! kube-proxy's nftables rules for a set of manifests: an independent reading of the specification.
//!
//! Nothing of tidegate is used here. The tables, chains, priorities and maps are those that
//! kube-proxy 1.36 writes with `--proxy-mode nftables`, `--cluster-cidr` and `--nodeport-addresses
//! primary`, so that the kernel's own NAT shows what a user of kube-proxy sees.

mod chains;
mod pools;
mod read;
mod text;

use std::net::IpAddr;

use anyhow::Result;
use serde_json::Value;

use crate::POD_CIDRS;

/// The node that the rules are for, and the family.
#[derive(Clone, Debug)]
pub(crate) struct Here {
    pub(crate) name: &'static str,
    pub(crate) v6: bool,
    /// The primary address: NodePorts answer here and nowhere else.
    pub(crate) address: IpAddr,
}

/// A file for `nft -f`.
pub(crate) fn ruleset(objects: &[Value], here: &Here) -> Result<String> {
    text::table(&read::service_ports(objects, here)?, here)
}

impl Here {
    /// What nft calls the family: of tables and headers.
    fn family(&self) -> &'static str {
        if self.v6 { "ip6" } else { "ip" }
    }

    fn address_type(&self) -> &'static str {
        if self.v6 { "ipv6_addr" } else { "ipv4_addr" }
    }

    /// Where pods' addresses come from: the detector that is kube-proxy's default (rule 3.4.1).
    fn cluster_cidr(&self) -> &'static str {
        POD_CIDRS[usize::from(self.v6)]
    }

    fn service_cidr(&self) -> &'static str {
        if self.v6 {
            "fd00:96::/112"
        } else {
            "10.96.0.0/12"
        }
    }
}
