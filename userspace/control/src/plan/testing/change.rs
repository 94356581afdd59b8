//! What may be seen while one desired state replaces others: nothing that is in none of them, and
//! whatever is in all of them.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use tidegate_abi::{
    Address, BackendId, Frontend, FrontendKey, Ip4, Ip6, Port, SourceRangeKey,
    backend::flags::{IN_CLUSTER, IN_LOCAL},
    frontend::flags::SOURCE_RANGES,
    source_range::SERVICE_BITS,
};

use super::{Numbered, clients, kernel::Records};
use crate::{
    desired::{Desired, DesiredFamily, DesiredPort, Target},
    model::PortKey,
    plan::{FamilyImage, Image, Planner, image::table},
};

/// A plan as it is carried out.
pub(crate) struct Change<'a> {
    pub(super) v4: States<'a, Ip4>,
    pub(super) v6: States<'a, Ip6>,
    /// All flags of backends are written that have to be before the first frontend moves.
    pub(in crate::plan) is_listed: bool,
}

/// What one family was and will be, oldest first; more than two where plans were broken off.
pub(super) struct States<'a, A: Address> {
    all: Vec<&'a DesiredFamily<A>>,
    pub(super) allowed: HashMap<FrontendKey<A>, Targets<A>>,
    /// The pools of a service port in each of the states.
    pools: HashMap<&'a PortKey, Vec<[Targets<A>; 2]>>,
}

type Targets<A> = HashSet<(A, Port)>;

impl<'a> Change<'a> {
    pub(in crate::plan) fn new(states: &[&'a Desired]) -> Self {
        Self {
            v4: States::new(states),
            v6: States::new(states),
            is_listed: false,
        }
    }
}

impl<'a, A: Numbered> States<'a, A> {
    fn new(states: &[&'a Desired]) -> Self {
        let all: Vec<_> = states.iter().map(|state| A::desired(state)).collect();
        let mut allowed: HashMap<FrontendKey<A>, Targets<A>> = HashMap::new();
        let mut pools: HashMap<_, Vec<_>> = HashMap::new();
        for (index, family) in all.iter().enumerate() {
            for port in &family.ports {
                let both = [set(&port.cluster), set(&port.local)];
                for (key, _) in &port.frontends {
                    let targets = allowed.entry(*key).or_default();
                    targets.extend(both.iter().flatten());
                }
                let none = || vec![<[Targets<A>; 2]>::default(); all.len()];
                pools.entry(&*port.key).or_insert_with(none)[index] = both;
            }
            for &(addr, _) in &family.markers {
                allowed.entry(FrontendKey::of_address(addr)).or_default();
            }
        }
        Self {
            all,
            allowed,
            pools,
        }
    }

    /// Rule 3.6: whom all states admit to a frontend is let in, and whom none of them admits is not.
    pub(super) fn check_clients(&self, image: &Image, planner: &Planner) {
        let clients: Vec<A> = clients().collect();
        for (key, value) in &A::half(image).frontends {
            if key.port == Port::default() {
                continue; // A marker serves nobody.
            }
            let ports = || self.all.iter().map(|family| &family.ports);
            let had: Vec<_> = ports().map(|ports| owner(ports, key)).collect();
            let is_going = had
                .windows(2)
                .any(|two| two[0].is_some() && two[1].is_none());
            let mut owners: Vec<_> = had.into_iter().flatten().collect();
            let has_moved = owners.windows(2).any(|two| two[0].0.key != two[1].0.key);
            if is_going && let Some((last, flags)) = owners.last().copied() {
                if planner.service_name(value.service) != Some(&last.key) {
                    continue; // After a restart its id is that of whoever has its other frontends.
                }
                // New clients of its service port may still find it, and old ones no more.
                let stays = ports().flatten().filter(|port| port.key == last.key);
                owners.extend(stays.map(|port| (&**port, flags)));
            }
            assert!(!owners.is_empty(), "{key:?} is nobody's");
            for &client in &clients {
                let said = owners.iter().map(|it| admits(it.0, it.1, client));
                let (all, any) = (said.clone().all(|it| it), said.clone().any(|it| it));
                if is_let_in(image, value, client) {
                    assert!(any || has_moved, "{client:?} is let in to {key:?}");
                } else {
                    assert!(!all || is_going, "{client:?} is kept out of {key:?}");
                }
            }
        }
    }

    /// Rules 4.9 and 4.11: a client is held to its backend while that is in the pool, and not longer.
    pub(super) fn check_affinity(
        &self,
        image: &Image,
        records: &Records,
        planner: &Planner,
        is_listed: bool,
    ) {
        let half = A::half(image);
        let serves = |id: BackendId, generation: u32| {
            let backend = half.backend(id).filter(|it| it.serves(generation))?;
            Some((id, (backend.addr, backend.port), backend.flags))
        };
        for (key, value) in &half.frontends {
            let name = planner.service_name(value.service);
            let Some((name, states)) = name.and_then(|it| self.pools.get_key_value(it)) else {
                continue;
            };
            let mut owners = self.all.iter().filter_map(|it| owner(&it.ports, key));
            if owners.any(|(port, _)| *port.key != **name) {
                continue; // After a restart the id may have been another one's before.
            }
            let mine = records.iter().filter(|record| record.0 == value.service);
            let mine: Vec<_> = mine.filter_map(|it| serves(it.1, it.2)).collect();
            for (index, flag) in [(0, IN_CLUSTER), (1, IN_LOCAL)] {
                let pool = [value.cluster, value.local][index];
                let ids = table(&image.slots, pool).expect("a table lies outside the map");
                let mut pools = states.iter().map(|state| &state[index]);
                let has_moved = is_listed && pools.next_back() == Some(&addresses(half, ids));
                for &(id, target, flags) in &mine {
                    let mut pools = states.iter().map(|state| state[index].contains(&target));
                    let (is_held, is_in) = (flags & flag != 0, ids.contains(&id));
                    if is_held && !is_in {
                        assert!(!is_listed || pools.any(|it| it), "{name}: held to {id:?}");
                        assert!(!has_moved, "{name}: still held to {id:?}");
                    } else if is_in && !is_held {
                        assert!(!pools.all(|it| it), "{name}: {id:?} lost its clients");
                    }
                }
            }
        }
    }
}

fn addresses<A: Numbered>(half: &FamilyImage<A>, ids: &[BackendId]) -> Targets<A> {
    let backends = ids.iter().filter_map(|id| half.backend(*id));
    backends.map(|it| (it.addr, it.port)).collect()
}

fn set<A: Numbered>(targets: &[Target<A>]) -> Targets<A> {
    targets.iter().map(|it| (it.addr, it.port)).collect()
}

fn owner<'a, A: Numbered>(
    ports: &'a [Arc<DesiredPort<A>>],
    key: &FrontendKey<A>,
) -> Option<(&'a DesiredPort<A>, u32)> {
    ports.iter().find_map(|port| {
        let (_, flags) = port.frontends.iter().find(|(other, _)| other == key)?;
        Some((&**port, *flags))
    })
}

fn admits<A: Numbered>(port: &DesiredPort<A>, flags: u32, client: A) -> bool {
    let mut blocks = port.source_ranges.iter();
    flags & SOURCE_RANGES == 0 || blocks.any(|it| shares(it.addr, client, it.prefix_len.into()))
}

/// As the data path asks: any hit in the trie lets the client in.
pub(in crate::plan) fn is_let_in<A: Numbered>(image: &Image, value: &Frontend, client: A) -> bool {
    let hits = |range: &SourceRangeKey<A>| {
        let prefix_len = range.prefix_len.checked_sub(SERVICE_BITS);
        let prefix_len = prefix_len.expect("a range for several service ports");
        range.service == value.service && shares(range.addr, client, prefix_len)
    };
    !value.has(SOURCE_RANGES) || A::half(image).source_ranges.iter().any(hits)
}

/// Whether two addresses have the same first bits.
fn shares<A: Numbered>(one: A, other: A, bits: u32) -> bool {
    let number = |addr: A| match addr.to_ip() {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    };
    (number(one) ^ number(other)).leading_zeros() >= bits
}
