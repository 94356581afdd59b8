//! ClusterIPs: one for each family of a Service (rules 1.6.3 to 1.6.6).

use std::net::IpAddr;

use k8s_openapi::api::core::v1::ServiceSpec;
use tidegate_abi::Family;

use super::{
    Assignment, Random, Ranges,
    draft::{Draft, Slot},
    families::Families,
    pick,
    taken::{How, Taken},
};
use crate::{address, model::spec, object::ObjectKey, problem::Problem};

const FIELD: &str = "spec.clusterIP";

pub(super) fn slots(
    spec: &ServiceSpec,
    families: &Families,
    before: Option<&Assignment>,
) -> Vec<Slot<IpAddr>> {
    if spec::is_headless(spec) {
        return Vec::new();
    }
    let slot = |family: &Family| {
        let of_family = |ip: &IpAddr| address::family(*ip) == *family;
        let before = before.and_then(|before| before.cluster_ips.iter().copied().find(of_family));
        Slot::new(spec::cluster_ips(spec).find(of_family), before)
    };
    families.list.iter().map(slot).collect()
}

impl<'a> Draft<'a> {
    pub(super) fn keep_cluster_ips(
        &mut self,
        taken: &mut Taken<'a>,
        ranges: &Ranges,
        problems: &mut Vec<Problem>,
    ) {
        let owner = self.owner(How::Given);
        for index in 0..self.cluster_ips.len() {
            let slot = &mut self.cluster_ips[index];
            let Some(ip) = slot.before.filter(|_| slot.asked.is_none()) else {
                continue;
            };
            if taken.take_ip(ip, owner).is_err() {
                continue;
            }
            slot.got = Some((ip, How::Given));
            if !is_in_blocks(ip, ranges) {
                let blocks = ranges.blocks_text(address::family(ip));
                let reason = format!(
                    "{ip}, which was given earlier, is not in --service-cidr ({blocks}) any more; \
                     it is kept: add its block again, or delete the Service and create it anew"
                );
                problems.push(self.warning(FIELD, reason));
            }
        }
    }

    pub(super) fn ask_cluster_ips(
        &mut self,
        taken: &mut Taken<'a>,
        ranges: &Ranges,
        problems: &mut Vec<Problem>,
    ) {
        let mut is_denied = false;
        for index in 0..self.cluster_ips.len() {
            let Some(ip) = self.cluster_ips[index].asked else {
                continue;
            };
            let denied = match self.check_block(ip, ranges) {
                Err(reason) => Some(reason),
                Ok(()) => match taken.take_ip(ip, self.owner(How::Asked)) {
                    // Of two manifests that name it, the model knows the older.
                    Ok(()) => None,
                    Err(other) if other.how == How::Asked => None,
                    Err(other) => Some(format!(
                        "{ip} was given to {other}; choose another address, or none to be given one"
                    )),
                },
            };
            match denied {
                None => self.cluster_ips[index].got = Some((ip, How::Asked)),
                Some(reason) => {
                    is_denied = true;
                    problems.push(self.error(FIELD, reason));
                    self.fall_back(index, taken);
                }
            }
        }
        // Rule 7.1.12: who has nothing but a wrong wish is refused, not given something else.
        self.is_refused |= is_denied && self.cluster_ips.iter().all(|slot| slot.got.is_none());
    }

    pub(super) fn assign_cluster_ips(
        &mut self,
        taken: &mut Taken<'a>,
        ranges: &Ranges,
        random: Random<'_>,
        problems: &mut Vec<Problem>,
    ) {
        for index in 0..self.cluster_ips.len() {
            let family = self.families.list[index];
            let slot = &mut self.cluster_ips[index];
            if slot.got.is_some() || slot.asked.is_some() {
                continue;
            }
            let ip = free(family, &self.object.key, taken, ranges, random);
            slot.got = ip.map(|ip| (ip, How::Given));
            match ip.map(|ip| taken.take_ip(ip, self.owner(How::Given))) {
                Some(_free) => {}
                None => {
                    let blocks = ranges.blocks_text(family);
                    let reason = format!(
                        "no address is left in --service-cidr ({blocks}): add a block, or delete Services"
                    );
                    problems.push(self.error(FIELD, reason));
                }
            }
        }
        self.is_refused =
            !self.is_headless() && self.cluster_ips.iter().all(|slot| slot.got.is_none());
    }

    /// Rule 1.6.6. Where no block of the family is known, the manifest knows best.
    fn check_block(&self, ip: IpAddr, ranges: &Ranges) -> Result<(), String> {
        let family = address::family(ip);
        if ranges.blocks(family).next().is_none() || is_in_blocks(ip, ranges) {
            return Ok(());
        }
        let blocks = ranges.blocks_text(family);
        Err(format!(
            "{ip} is not one that a Service may have of --service-cidr ({blocks}): choose another, \
             or add its block"
        ))
    }

    /// What cannot be granted leaves the Service with what it had.
    fn fall_back(&mut self, index: usize, taken: &mut Taken<'a>) {
        let owner = self.owner(How::Given);
        let slot = &mut self.cluster_ips[index];
        let earlier = slot.before.filter(|&ip| taken.take_ip(ip, owner).is_ok());
        slot.got = earlier.map(|ip| (ip, How::Given));
    }
}

fn is_in_blocks(ip: IpAddr, ranges: &Ranges) -> bool {
    let mut blocks = ranges.blocks(address::family(ip));
    blocks.any(|block| block.usable().contains(ip))
}

/// A free address: of any block's dynamic band, else of a static one.
fn free(
    family: Family,
    key: &ObjectKey,
    taken: &Taken<'_>,
    ranges: &Ranges,
    random: Random<'_>,
) -> Option<IpAddr> {
    let first = ranges.first(family);
    let is_api_server = key.namespace == "default" && key.name == "kubernetes";
    if let Some(first) = first.filter(|ip| is_api_server && taken.is_free_ip(*ip)) {
        return Some(first);
    }
    let reserved = [first, ranges.dns(family)];
    let unfit = taken.ip_count() + reserved.len();
    let [fixed, dynamic] = [0, 1];
    for band in [dynamic, fixed] {
        for block in ranges.blocks(family) {
            let usable = block.usable();
            let is_free = |offset| {
                let ip = usable.at(offset);
                taken.is_free_ip(ip) && !reserved.contains(&Some(ip))
            };
            if let Some(offset) = pick::random(&block.bands()[band], unfit, random, is_free) {
                return Some(usable.at(offset));
            }
        }
    }
    None
}
