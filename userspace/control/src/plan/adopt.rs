//! What can be trusted of maps that an earlier agent left, perhaps in the middle of a plan.
//!
//! Tables that overlap are not reused; but their slots are not written either before the frontends have
//! moved away from them. Tables that lie partly outside the map are as good as none.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ops::Range,
};

use tidegate_abi::{Address, BackendId, Pool};

use super::{
    backends::{Backends, NOBODY},
    image::{FamilyImage, Image, Limits, table},
    ranges::Ranges,
    services::Services,
};
use crate::desired::canonical;

pub(super) fn services(image: &Image) -> Services {
    let v4 = image.v4.frontends.values();
    let v6 = image.v6.frontends.values();
    let frontends = v4.chain(v6).map(|frontend| frontend.service);
    // Who gets an id that was somebody's must not get his clients too.
    let ranges4 = image.v4.source_ranges.iter().map(|key| key.service);
    let ranges6 = image.v6.source_ranges.iter().map(|key| key.service);
    Services::new(frontends.chain(ranges4).chain(ranges6).collect())
}

/// Spells the source ranges as the planner does.
pub(super) fn source_ranges<A: Address>(half: &mut FamilyImage<A>) {
    let found = std::mem::take(&mut half.source_ranges);
    half.source_ranges = found.into_iter().map(canonical).collect();
}

/// Ids that a table names do not serve anybody else before that table is gone.
pub(super) fn backends<A: Address>(
    half: &FamilyImage<A>,
    slots: &[BackendId],
    limit: u32,
) -> Backends<A> {
    let mut named = HashMap::new();
    let mut shared = HashSet::new();
    for frontend in half.frontends.values() {
        for pool in [frontend.cluster, frontend.local] {
            for id in table(slots, pool).into_iter().flatten() {
                if *named.entry(*id).or_insert(frontend.service) != frontend.service {
                    shared.insert(*id);
                }
            }
        }
    }
    // Named by several service ports, which no agent writes: nobody keeps it.
    for id in shared {
        named.insert(id, NOBODY);
    }
    Backends::adopt(half, limit, &named)
}

pub(super) fn ranges(image: &Image, limits: &Limits) -> Ranges {
    let inside = |pool: &Pool| {
        let end = pool.start.checked_add(pool.len);
        end.is_some_and(|end| end <= limits.slots) && table(&image.slots, *pool).is_some()
    };
    // Ordered by start; of two tables with one start the longer comes last.
    let tables: BTreeSet<(u32, u32)> = pools(&image.v4)
        .chain(pools(&image.v6))
        .filter(inside)
        .map(|pool| (pool.start, pool.len))
        .collect();
    let mut used: Vec<Range<u32>> = Vec::new();
    let mut found = HashSet::new();
    for (start, len) in tables {
        match used.last_mut() {
            Some(last) if start < last.end => {
                // It overlaps the one before, so neither is to be trusted.
                found.remove(&Pool {
                    start: last.start,
                    len: last.end - last.start,
                });
                last.end = last.end.max(start + len);
            }
            _ => {
                used.push(start..start + len);
                found.insert(Pool { start, len });
            }
        }
    }
    // A few wild ranges must not take the whole map: better a packet astray now than no service.
    let is_found = |range: &Range<u32>| {
        found.contains(&Pool {
            start: range.start,
            len: range.end - range.start,
        })
    };
    let wild: u32 = used
        .iter()
        .filter(|range| !is_found(range))
        .map(|it| it.end - it.start)
        .sum();
    if wild > limits.slots / 2 {
        used.retain(is_found);
    }
    Ranges::new(limits.slots, used, found)
}

/// All tables that frontends name.
fn pools<A: Address>(half: &FamilyImage<A>) -> impl Iterator<Item = Pool> {
    let both = half
        .frontends
        .values()
        .flat_map(|frontend| [frontend.cluster, frontend.local]);
    both.filter(|pool| pool.len > 0)
}
