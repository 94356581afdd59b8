//! Which address families a Service has, the primary one first (rules 1.7.5 and 1.7.6).

use std::net::IpAddr;

use k8s_openapi::api::core::v1::ServiceSpec;
use tidegate_abi::Family;

use super::{Assignment, FamilyPolicy, Ranges, draft::Fault};
use crate::{address, model::spec};

/// The answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Families {
    pub(super) list: Vec<Family>,
    pub(super) policy: FamilyPolicy,
}

impl Families {
    /// As they were.
    pub(super) fn of(before: Option<&Assignment>) -> Self {
        before.map_or_else(Self::default, |before| Self {
            list: before.families.clone(),
            policy: before.policy,
        })
    }

    /// The families of a Service that was given `before`.
    pub(super) fn decide(
        spec: &ServiceSpec,
        before: Option<&Assignment>,
        ranges: &Ranges,
    ) -> Result<Self, Fault> {
        let is_headless = spec::is_headless(spec);
        let before = before.filter(|_| !is_headless);
        let asked: Vec<IpAddr> = spec::cluster_ips(spec).collect();
        let written = written(spec, &asked)?;
        let policy = policy(spec, &written, before)?;
        // Nothing but the Service itself adds or takes away a family (rule 1.7.6).
        let still = before.filter(|it| written.len() < 2 && is_preferred_still(policy, it));
        let mut list = match before.and_then(|before| before.families.first()) {
            _ if !written.is_empty() => written,
            Some(&primary) => vec![primary],
            None => default(ranges).into_iter().collect(),
        };
        if policy == FamilyPolicy::SingleStack {
            list.truncate(1);
        }
        if let Some(before) = before {
            check_primary(&list, &asked, before)?;
        }
        let known = Known {
            ranges,
            asked: &asked,
            before,
        };
        let is_free_to_list = is_headless && has_no_selector(spec);
        add_second(&mut list, policy, |family| match still {
            Some(still) => still.families.contains(&family),
            None => is_free_to_list || known.has(family),
        });
        if !is_headless {
            known.check(&list, policy)?;
        }
        Ok(Self { list, policy })
    }
}

/// Where the addresses of a family come from.
struct Known<'a> {
    ranges: &'a Ranges,
    asked: &'a [IpAddr],
    before: Option<&'a Assignment>,
}

impl Known<'_> {
    /// Whether there is an address, or could be one.
    fn has(&self, family: Family) -> bool {
        let of_family = |ip: &IpAddr| address::family(*ip) == family;
        self.ranges.blocks(family).next().is_some()
            || self.asked.iter().any(of_family)
            || self
                .before
                .is_some_and(|before| before.cluster_ips.iter().any(of_family))
    }

    fn check(&self, list: &[Family], policy: FamilyPolicy) -> Result<(), Fault> {
        for (index, family) in list.iter().enumerate() {
            if !self.has(*family) {
                let name = address::family_name(*family);
                let reason = format!("there is no {name} block in --service-cidr: add one");
                return Err(Fault::new(format!("spec.ipFamilies[{index}]"), reason));
            }
        }
        if policy == FamilyPolicy::RequireDualStack && list.len() < 2 {
            let reason = "RequireDualStack needs a block of each family in --service-cidr: add one, \
                or say PreferDualStack";
            return Err(Fault::new("spec.ipFamilyPolicy", reason));
        }
        Ok(())
    }
}

/// The families that the manifest names, be it by their addresses.
fn written(spec: &ServiceSpec, asked: &[IpAddr]) -> Result<Vec<Family>, Fault> {
    let mut list = Vec::new();
    for (index, name) in spec.ip_families.iter().flatten().enumerate() {
        let wrong = |reason: String| Fault::new(format!("spec.ipFamilies[{index}]"), reason);
        let family = match name.as_str() {
            "IPv4" => Family::V4,
            "IPv6" => Family::V6,
            _ => return Err(wrong(format!("{name:?} is not one of IPv4, IPv6"))),
        };
        if list.contains(&family) {
            return Err(wrong(format!("{name} is listed twice")));
        }
        list.push(family);
    }
    for ip in asked {
        let family = address::family(*ip);
        if !list.contains(&family) {
            list.push(family);
        }
    }
    Ok(list)
}

fn policy(
    spec: &ServiceSpec,
    written: &[Family],
    before: Option<&Assignment>,
) -> Result<FamilyPolicy, Fault> {
    let field = "spec.ipFamilyPolicy";
    let named = spec
        .ip_family_policy
        .as_deref()
        .filter(|name| !name.is_empty());
    let policy = match named {
        Some(name) => FamilyPolicy::of(name).ok_or_else(|| {
            let choices = "SingleStack, PreferDualStack, RequireDualStack";
            Fault::new(field, format!("{name:?} is not one of {choices}"))
        })?,
        // Two families are as clear a word as a policy.
        None if written.len() > 1 => FamilyPolicy::PreferDualStack,
        None => match before {
            Some(before) => before.policy,
            None if spec::is_headless(spec) && has_no_selector(spec) => {
                FamilyPolicy::RequireDualStack
            }
            None => FamilyPolicy::SingleStack,
        },
    };
    // A list that was right before, and a policy that takes back the second, is a clear word as well.
    let was_dual = before.is_some_and(|before| before.families == written);
    let asks_two = spec::cluster_ips(spec).count() > 1 || written.len() > 1 && !was_dual;
    if policy == FamilyPolicy::SingleStack && asks_two {
        let reason =
            "must be PreferDualStack or RequireDualStack for two families or two clusterIPs";
        return Err(Fault::new(field, reason));
    }
    Ok(policy)
}

/// A cluster that grows a second family does not change who only prefers two.
fn is_preferred_still(policy: FamilyPolicy, before: &Assignment) -> bool {
    policy == FamilyPolicy::PreferDualStack && before.policy == policy
}

/// The primary family stays, unless the manifest names the primary address itself.
fn check_primary(list: &[Family], asked: &[IpAddr], before: &Assignment) -> Result<(), Fault> {
    let (Some(&new), Some(&old)) = (list.first(), before.families.first()) else {
        return Ok(());
    };
    let is_given = before
        .cluster_ips
        .iter()
        .any(|ip| address::family(*ip) == old);
    let is_asked = asked.iter().any(|ip| address::family(*ip) == new);
    if new == old || is_asked || !is_given {
        return Ok(());
    }
    let [new, old] = [new, old].map(address::family_name);
    let reason = format!(
        "the primary family cannot change from {old} to {new}: delete the Service, then create it anew"
    );
    Err(Fault::new("spec.ipFamilies[0]", reason))
}

fn add_second(list: &mut Vec<Family>, policy: FamilyPolicy, has: impl Fn(Family) -> bool) {
    let other = match list.as_slice() {
        [Family::V4] => Family::V6,
        [Family::V6] => Family::V4,
        _ => return,
    };
    if policy != FamilyPolicy::SingleStack && has(other) {
        list.push(other);
    }
}

fn default(ranges: &Ranges) -> Option<Family> {
    let first = ranges.service_blocks.first();
    first.map(|block| block.usable().family())
}

fn has_no_selector(spec: &ServiceSpec) -> bool {
    spec.selector
        .as_ref()
        .is_none_or(|selector| selector.is_empty())
}
