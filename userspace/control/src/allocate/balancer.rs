//! Load-balancer addresses from `--lb-pool` (rules 7.2.x and 7.3.x). What a manifest's status says wins.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use tidegate_abi::Family;

use super::{
    FamilyPolicy, Ranges,
    draft::{Draft, Fault, Slot},
    pick,
    taken::{How, Taken},
};
use crate::{
    address,
    model::spec::{self, Type},
    problem::Problem,
};

const FIELD: &str = "spec.loadBalancerIP";
/// On a Service: one address of each of its families.
const ANNOTATION: &str = "tidegate.io/load-balancer-ips";

/// The places for addresses, and what is wrong with the request for some.
pub(super) fn slots(draft: &Draft<'_>, ranges: &Ranges) -> (Vec<Slot<IpAddr>>, Option<Fault>) {
    let spec = draft.spec;
    // Rule 7.2.1: a class names somebody else.
    let is_ours = Type::of(spec) == Type::LoadBalancer
        && spec.load_balancer_class.is_none()
        && spec::ingress(draft.service).is_empty();
    if !is_ours || draft.is_headless() {
        return (Vec::new(), None);
    }
    let request = if ranges.pools.is_empty() {
        Ok(Vec::new())
    } else {
        asked(draft)
    };
    let (asked, fault) = match request {
        Ok(asked) => (asked, None),
        Err(fault) => (Vec::new(), Some(fault)),
    };
    let slot = |family: &Family| {
        let of_family = |ip: &IpAddr| address::family(*ip) == *family;
        let before = draft
            .before
            .into_iter()
            .flat_map(|it| &it.load_balancer_ips);
        let mut slot = Slot::new(
            asked.iter().copied().find(of_family),
            before.copied().find(of_family),
        );
        slot.is_wanted = fault.is_none();
        slot
    };
    (draft.families.list.iter().map(slot).collect(), fault)
}

/// The addresses that the Service asks for (rules 7.2.8 and 7.3.4).
fn asked(draft: &Draft<'_>) -> Result<Vec<IpAddr>, Fault> {
    let single = draft
        .spec
        .load_balancer_ip
        .as_deref()
        .unwrap_or_default()
        .trim();
    let listed = spec::annotation(draft.service, ANNOTATION).unwrap_or_default();
    let (field, text) = match (single, listed) {
        ("", "") => return Ok(Vec::new()),
        (single, "") => (FIELD, single),
        ("", listed) => ("metadata.annotations", listed),
        _ => {
            let reason = format!("must not be set together with the annotation {ANNOTATION}");
            return Err(Fault::new(FIELD, reason));
        }
    };
    let mut ips = Vec::new();
    for text in text.split(',').map(str::trim) {
        let ip = address::parse(text).filter(|ip| address::special(*ip).is_none());
        ips.push(ip.ok_or_else(|| {
            Fault::new(
                field,
                format!("{text:?} is not an address that a load balancer may have"),
            )
        })?);
    }
    let mut families: Vec<Family> = ips.iter().map(|ip| address::family(*ip)).collect();
    let mut wanted = draft.families.list.clone();
    families.sort_unstable();
    wanted.sort_unstable();
    if families == wanted {
        return Ok(ips);
    }
    let names: Vec<&str> = wanted.into_iter().map(address::family_name).collect();
    let reason = format!(
        "{text} is not one address of each family of the Service ({}): list them in the annotation \
         {ANNOTATION}",
        names.join(", ")
    );
    Err(Fault::new(field, reason))
}

/// All addresses that a Service asks for, whether it may or not.
pub(super) fn named<'a>(
    service: &'a Service,
    spec: &'a ServiceSpec,
) -> impl Iterator<Item = IpAddr> + use<'a> {
    let single = spec.load_balancer_ip.as_deref().unwrap_or_default();
    let listed = spec::annotation(service, ANNOTATION).unwrap_or_default();
    let texts = single.split(',').chain(listed.split(','));
    texts.filter_map(|text| address::parse(text.trim()))
}

impl<'a> Draft<'a> {
    pub(super) fn keep_balancer_ips(&mut self, taken: &mut Taken<'a>, ranges: &Ranges) {
        let owner = self.owner(How::Given);
        for slot in &mut self.balancer_ips {
            let Some(ip) = slot.before.filter(|_| slot.asked.is_none()) else {
                continue;
            };
            if taken.take_ip(ip, owner).is_err() {
                continue;
            }
            if is_in_pools(ip, ranges) {
                slot.got = Some((ip, How::Given));
            } else {
                // A pool that was left out by mistake may be back at the next start.
                slot.parked = Some(ip);
            }
        }
    }

    pub(super) fn ask_balancer_ips(
        &mut self,
        taken: &mut Taken<'a>,
        ranges: &Ranges,
        problems: &mut Vec<Problem>,
    ) {
        for index in 0..self.balancer_ips.len() {
            let Some(ip) = self.balancer_ips[index].asked else {
                continue;
            };
            let denied = if !is_in_pools(ip, ranges) {
                let pools = ranges.pools_text(address::family(ip));
                Some(format!(
                    "{ip} is not in --lb-pool ({pools}); choose another, or widen it"
                ))
            } else {
                let refused = taken.take_ip(ip, self.owner(How::Asked)).err();
                refused.map(|other| format!("{ip} belongs to {other}; choose another address"))
            };
            let Some(reason) = denied else {
                self.balancer_ips[index].got = Some((ip, How::Asked));
                continue;
            };
            problems.push(self.error(self.request_field(), reason));
            let owner = self.owner(How::Given);
            let slot = &mut self.balancer_ips[index];
            let earlier = slot.before.filter(|&ip| is_in_pools(ip, ranges));
            let earlier = earlier.filter(|&ip| taken.take_ip(ip, owner).is_ok());
            slot.got = earlier.map(|ip| (ip, How::Given));
        }
        self.check_ingress(taken, problems);
    }

    pub(super) fn assign_balancer_ips(
        &mut self,
        taken: &mut Taken<'a>,
        ranges: &Ranges,
        problems: &mut Vec<Problem>,
    ) {
        if ranges.pools.is_empty() {
            return;
        }
        for index in 0..self.balancer_ips.len() {
            let family = self.families.list[index];
            let slot = &self.balancer_ips[index];
            if slot.got.is_some() || slot.asked.is_some() || !slot.is_wanted {
                continue;
            }
            if ranges.pools(family).next().is_none() {
                problems.extend(self.no_pool(family, ranges));
                continue;
            }
            let owner = self.owner(How::Given);
            let ip = free(family, taken, ranges).filter(|ip| taken.take_ip(*ip, owner).is_ok());
            let slot = &mut self.balancer_ips[index];
            slot.got = ip.map(|ip| (ip, How::Given));
            if ip.is_some() {
                slot.parked = None;
            } else {
                let pools = ranges.pools_text(family);
                let reason = format!(
                    "no address is left in --lb-pool ({pools}): widen it, or delete Services"
                );
                problems.push(self.error("status.loadBalancer", reason));
            }
        }
    }

    /// Addresses of the manifest's status that another Service was given are not this one's.
    fn check_ingress(&mut self, taken: &Taken<'a>, problems: &mut Vec<Problem>) {
        for (index, ingress) in spec::ingress(self.service).iter().enumerate() {
            let ip = ingress.ip.as_deref().and_then(address::parse);
            let owner = ip.and_then(|ip| taken.owner_of(ip));
            if let Some(other) = owner.filter(|it| it.how == How::Given && it.key != self.key()) {
                let reason = format!("was given to {other}, so it is not served for this Service");
                problems
                    .push(self.error(format!("status.loadBalancer.ingress[{index}].ip"), reason));
                self.lost_ingress.push(index);
            }
        }
    }

    fn request_field(&self) -> &'static str {
        match spec::annotation(self.service, ANNOTATION) {
            None | Some("") => FIELD,
            Some(_) => "metadata.annotations",
        }
    }

    /// Who only prefers two families is content with one.
    fn no_pool(&self, family: Family, ranges: &Ranges) -> Option<Problem> {
        let has_pool = |family: &Family| ranges.pools(*family).next().is_some();
        let is_content = self.families.policy == FamilyPolicy::PreferDualStack
            && self.families.list.iter().any(has_pool);
        let name = address::family_name(family);
        let reason = format!("--lb-pool has no {name} addresses for this Service: add some");
        (!is_content).then(|| self.error("status.loadBalancer", reason))
    }
}

fn is_in_pools(ip: IpAddr, ranges: &Ranges) -> bool {
    ranges
        .pools(address::family(ip))
        .any(|pool| pool.contains(ip))
}

/// The first free address of the first pool that has one: pools stand in the order of their use.
fn free(family: Family, taken: &Taken<'_>, ranges: &Ranges) -> Option<IpAddr> {
    ranges.pools(family).find_map(|pool| {
        let is_free = |offset| taken.is_free_ip(pool.at(offset));
        let offset = pick::first(pool.len(), taken.ip_count(), is_free)?;
        Some(pool.at(offset))
    })
}
