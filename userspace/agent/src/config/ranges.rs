//! What may be given to Services: checks of the ranges, and the form in which they are allocated from.

use tidegate_control::allocate::{Ranges, ServiceBlock};

use super::Config;
use crate::failure::Failure;

/// IPv6 blocks with fewer prefix bits are refused (rule 1.6.4).
const LEAST_PREFIX6: u8 = 64;

impl Config {
    /// What there is to give to Services.
    pub(crate) fn ranges(&self) -> Ranges {
        let block = |(network, prefix)| ServiceBlock::new(network, prefix);
        Ranges {
            node_ports: self.nodeport_range.first..=self.nodeport_range.last,
            service_blocks: self
                .service_cidr
                .iter()
                .map(|it| block(it.parts()))
                .collect(),
            pools: self.lb_pool.iter().map(|pool| pool.range()).collect(),
        }
    }

    pub(super) fn check_ranges(&self) -> Result<(), Failure> {
        for block in &self.service_cidr {
            let (network, prefix) = block.parts();
            if network.is_ipv6() && prefix < LEAST_PREFIX6 {
                return Err(Failure::Usage(format!(
                    "--service-cidr {block} is too large: an IPv6 block of Services has /{LEAST_PREFIX6} or more"
                )));
            }
            if let Some(pool) = self.lb_pool.iter().find(|pool| pool.overlaps(block)) {
                return Err(Failure::Usage(format!(
                    "--lb-pool {pool} overlaps --service-cidr {block}: choose addresses outside it"
                )));
            }
        }
        Ok(())
    }
}
