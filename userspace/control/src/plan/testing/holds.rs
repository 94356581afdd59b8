//! Whether the maps hold exactly what is desired.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tidegate_abi::{Frontend, FrontendKey, Ip4, Ip6, Pool, Port, backend::flags};

use crate::{
    desired::{Desired, DesiredPort, Target, canonical},
    plan::{FamilyImage, Image, Planner, adopt, image::table, write::Maps},
};

/// Asserts that the maps hold exactly what is desired.
pub(crate) fn assert_holds(image: &Image, desired: &Desired, planner: &Planner) {
    holds::<Ip4>(image, desired, planner);
    holds::<Ip6>(image, desired, planner);
    let placed = planner.image();
    assert_mirrors(&image.v4, &placed.v4);
    assert_mirrors(&image.v6, &placed.v6);
}

fn assert_mirrors<A: Maps>(held: &FamilyImage<A>, mirror: &FamilyImage<A>) {
    let mut held = held.clone();
    adopt::source_ranges(&mut held);
    assert_eq!(&held, mirror, "the mirror is wrong");
}

fn holds<A: Maps>(image: &Image, desired: &Desired, planner: &Planner) {
    let (half, family) = (A::half(image), A::desired(desired));
    let mut frontends = HashMap::new();
    let mut source_ranges = BTreeSet::new();
    for port in &family.ports {
        for (key, flags) in &port.frontends {
            let value = half.frontends[key];
            assert_eq!(planner.service_name(value.service), Some(&*port.key));
            assert_eq!(value.flags, *flags);
            assert_eq!(value.affinity_seconds, port.affinity_seconds);
            for (pool, targets) in [(value.cluster, &port.cluster), (value.local, &port.local)] {
                assert_eq!(addresses(half, image, pool), of(targets));
                assert!(table(&image.slots, pool).is_some_and(<[_]>::is_sorted));
            }
            frontends.insert(*key, value);
            let blocks = port.source_ranges.iter();
            source_ranges.extend(blocks.map(|block| block.key(value.service)));
        }
    }
    for &(addr, flags) in &family.markers {
        let marker = Frontend {
            flags,
            ..Frontend::default()
        };
        frontends.insert(FrontendKey::of_address(addr), marker);
    }
    assert_eq!(half.frontends, frontends);
    let held = half.source_ranges.iter().copied().map(canonical);
    assert_eq!(held.collect::<BTreeSet<_>>(), source_ranges);
    let mut wanted: Vec<_> = family
        .ports
        .iter()
        .flat_map(|port| backends(port))
        .collect();
    settle_places(&mut wanted);
    wanted.sort_unstable();
    let serving = half
        .backends
        .iter()
        .filter(|it| it.flags & flags::SERVING != 0);
    let mut serving: Vec<_> = serving.map(|it| (it.addr, it.port, it.flags)).collect();
    serving.sort_unstable();
    assert_eq!(serving, wanted);
}

/// A backend of a service port, with its flags.
type Served<A> = (A, Port, u16);

/// Service ports do not share backends.
fn backends<A: Maps>(port: &DesiredPort<A>) -> Vec<Served<A>> {
    let mut all: BTreeMap<(A, Port), u16> = BTreeMap::new();
    for (list, flag) in [
        (&port.cluster, flags::IN_CLUSTER),
        (&port.local, flags::IN_LOCAL),
    ] {
        for it in list {
            let place = if it.local { flags::LOCAL } else { 0 };
            *all.entry((it.addr, it.port)).or_default() |= flags::SERVING | flag | place;
        }
    }
    all.into_iter()
        .map(|((addr, port), flags)| (addr, port, flags))
        .collect()
}

/// What one service port knows to be on this node is so for all of them.
fn settle_places<A: Maps>(backends: &mut [Served<A>]) {
    let here = backends.iter().filter(|it| it.2 & flags::LOCAL != 0);
    let here: HashSet<(A, Port)> = here.map(|it| (it.0, it.1)).collect();
    for backend in backends {
        if here.contains(&(backend.0, backend.1)) {
            backend.2 |= flags::LOCAL;
        }
    }
}

fn of<A: Maps>(targets: &[Target<A>]) -> BTreeSet<(A, Port)> {
    targets.iter().map(|it| (it.addr, it.port)).collect()
}

/// The backends of a table, which must name each of them once.
fn addresses<A: Maps>(half: &FamilyImage<A>, image: &Image, pool: Pool) -> BTreeSet<(A, Port)> {
    let ids = table(&image.slots, pool).expect("a table lies outside the map");
    let backends = ids
        .iter()
        .map(|id| half.backend(*id).expect("no such backend"));
    let all: BTreeSet<_> = backends.map(|it| (it.addr, it.port)).collect();
    assert_eq!(all.len(), ids.len(), "a backend is named twice");
    all
}
