//! A simulated kernel, and random desired states, for the tests of the planner.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use tidegate_abi::{
    Address, Backend, BackendId, Frontend, FrontendKey, Ip4, Ip6, Pool, Port, Proto, backend,
    frontend,
};

use super::{Image, Planner, Write, image::table, write::Maps};
use crate::{
    desired::{Desired, DesiredFamily, DesiredPort, Target},
    model::PortKey,
};

/// xorshift64: the same numbers in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    pub(super) fn index(&mut self, len: usize) -> usize {
        self.roll(len as u64) as usize
    }
}

/// An address of the family with a number in it.
pub(super) trait Numbered: Maps {
    fn numbered(net: u8, host: u8) -> Self;
}

impl Numbered for Ip4 {
    fn numbered(net: u8, host: u8) -> Self {
        Self::new([10, net, 0, host])
    }
}

impl Numbered for Ip6 {
    fn numbered(net: u8, host: u8) -> Self {
        Self::new([0xfd, net, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host])
    }
}

pub(super) fn key<A: Address>(name: &str) -> Arc<PortKey> {
    Arc::new(PortKey {
        namespace: "default".to_owned(),
        service: name.to_owned(),
        port_name: String::new(),
        proto: Proto::TCP,
        family: A::FAMILY,
    })
}

pub(super) fn target<A: Numbered>(host: u8) -> Target<A> {
    Target {
        addr: A::numbered(244, host),
        port: Port::new(8080),
        local: host.is_multiple_of(3),
    }
}

pub(super) fn dialled<A: Numbered>(host: u8) -> FrontendKey<A> {
    FrontendKey::new(A::numbered(96, host), Port::new(80), Proto::TCP)
}

/// A service port with a clusterIP and these backends.
pub(super) fn port<A: Numbered>(name: &str, host: u8, targets: &[u8]) -> DesiredPort<A> {
    let mut cluster: Vec<_> = targets.iter().map(|&host| target(host)).collect();
    cluster.sort_unstable();
    DesiredPort {
        key: key::<A>(name),
        origin: crate::problem::Origin::default(),
        frontends: vec![(dialled(host), frontend::flags::INTERNAL)],
        local: cluster
            .iter()
            .filter(|target| target.local)
            .copied()
            .collect(),
        cluster,
        affinity_seconds: 0,
    }
}

pub(super) fn desired4(ports: Vec<DesiredPort<Ip4>>) -> Desired {
    Desired {
        v4: DesiredFamily {
            ports,
            cluster_ips: Vec::new(),
        },
        v6: DesiredFamily::default(),
    }
}

pub(super) fn random(dice: &mut Dice) -> Desired {
    Desired {
        v4: random_family(dice),
        v6: random_family(dice),
    }
}

fn random_family<A: Numbered>(dice: &mut Dice) -> DesiredFamily<A> {
    let mut family = DesiredFamily::default();
    let mut free: Vec<u8> = (1..=10).collect();
    for name in ["a", "b", "c", "d", "e"] {
        if dice.roll(4) == 0 {
            continue;
        }
        let targets: BTreeSet<u8> = (0..dice.roll(6)).map(|_| 1 + dice.roll(9) as u8).collect();
        let targets: Vec<u8> = targets.into_iter().collect();
        let mut new: DesiredPort<A> = port(name, 0, &targets);
        if dice.roll(3) == 0 {
            new.local.clear();
        }
        new.frontends.clear();
        for _ in 0..=dice.roll(2) {
            if !free.is_empty() {
                let host = free.swap_remove(dice.index(free.len()));
                new.frontends.push((dialled(host), dice.roll(4) as u32));
            }
        }
        new.affinity_seconds = dice.roll(2) as u32 * 60;
        family
            .cluster_ips
            .extend(new.frontends.first().map(|(key, _)| key.addr));
        family.ports.push(new);
    }
    family.cluster_ips.sort_unstable();
    family
}

/// What a frontend resolves to: its service port, and the backends of both tables.
type Resolved<A> = (FrontendKey<A>, Frontend, [Vec<(A, Port)>; 2]);

/// The maps, and what packets may have read from them in this plan and in the one before.
#[derive(Default)]
pub(super) struct Kernel {
    pub(super) image: Image,
    read4: [Vec<Resolved<Ip4>>; 2],
    read6: [Vec<Resolved<Ip6>>; 2],
}

impl Kernel {
    pub(super) fn holding(image: Image) -> Self {
        Self {
            image,
            ..Self::default()
        }
    }

    pub(super) fn apply(&mut self, write: &Write) {
        match write {
            Write::Backend4(id, backend) => set(&mut self.image, *id, *backend),
            Write::Backend6(id, backend) => set(&mut self.image, *id, *backend),
            Write::Frontend4(key, value) => drop(self.image.v4.frontends.insert(*key, *value)),
            Write::Frontend6(key, value) => drop(self.image.v6.frontends.insert(*key, *value)),
            Write::RemoveFrontend4(key) => {
                assert!(
                    self.image.v4.frontends.remove(key).is_some(),
                    "{key:?} was not there"
                );
            }
            Write::RemoveFrontend6(key) => {
                assert!(
                    self.image.v6.frontends.remove(key).is_some(),
                    "{key:?} was not there"
                );
            }
            Write::Slots { start, ids } => {
                let (start, end) = (*start as usize, *start as usize + ids.len());
                if self.image.slots.len() < end {
                    self.image.slots.resize(end, BackendId::default());
                }
                self.image.slots[start..end].copy_from_slice(ids);
            }
        }
    }

    /// A new plan: readers of the plan before the last one are done.
    pub(super) fn next_plan(&mut self) {
        self.read4.swap(0, 1);
        self.read4[1].clear();
        self.read6.swap(0, 1);
        self.read6[1].clear();
        self.read();
    }

    /// Another agent starts: readers of the last one are done.
    pub(super) fn restart(&mut self) {
        (self.read4, self.read6) = Default::default();
    }

    /// Packets read all frontends now.
    pub(super) fn read(&mut self) {
        read_all(&self.image, &mut self.read4[1]);
        read_all(&self.image, &mut self.read6[1]);
    }

    /// Rule 5.1.12, for packets that read a frontend now and for those that read one a plan ago.
    pub(super) fn check(&self, allowed: &Allowed) {
        check_now::<Ip4>(&self.image, &allowed.v4);
        check_now::<Ip6>(&self.image, &allowed.v6);
        check_readers(&self.image, &self.read4);
        check_readers(&self.image, &self.read6);
    }
}

fn set<A: Maps>(image: &mut Image, id: BackendId, new: Backend<A>) {
    let half = A::half_mut(image);
    if let Some(old) = half.backend(id) {
        let (was, is) = (
            old.flags & backend::flags::SERVING,
            new.flags & backend::flags::SERVING,
        );
        let other = (old.addr, old.port) != (new.addr, new.port) || was != is;
        assert!(new.generation >= old.generation, "a generation shrank");
        assert!(
            !other || new.generation > old.generation,
            "{old:?} became {new:?}"
        );
    }
    half.set_backend(id, new);
}

fn read_all<A: Maps>(image: &Image, read: &mut Vec<Resolved<A>>) {
    for (key, value) in &A::half(image).frontends {
        // What was read before is compared already.
        if !read
            .iter()
            .any(|(known, old, _)| known == key && old == value)
        {
            read.push((*key, *value, resolve(image, value)));
        }
    }
}

fn resolve<A: Maps>(image: &Image, value: &Frontend) -> [Vec<(A, Port)>; 2] {
    [value.cluster, value.local].map(|pool| {
        let ids = table(&image.slots, pool).expect("a table lies outside the map");
        let backends = ids
            .iter()
            .map(|id| A::half(image).backend(*id).expect("no such backend"));
        backends
            .map(|backend| (backend.addr, backend.port))
            .collect()
    })
}

fn check_readers<A: Maps>(image: &Image, read: &[Vec<Resolved<A>>; 2]) {
    for (key, value, then) in read.iter().flatten() {
        assert_eq!(
            &resolve(image, value),
            then,
            "a packet to {key:?} went elsewhere"
        );
    }
}

fn check_now<A: Maps>(image: &Image, allowed: &HashMap<FrontendKey<A>, HashSet<(A, Port)>>) {
    for (key, value) in &A::half(image).frontends {
        for pool in [value.cluster, value.local] {
            for id in table(&image.slots, pool).expect("a table lies outside the map") {
                let backend = A::half(image).backend(*id).expect("no such backend");
                assert!(
                    backend.flags & backend::flags::SERVING != 0,
                    "{key:?}: {id:?} is gone"
                );
                let target = (backend.addr, backend.port);
                assert!(
                    allowed[key].contains(&target),
                    "{key:?} has a foreign backend"
                );
            }
        }
    }
}

/// Which backends each frontend may have while one desired state replaces another.
#[derive(Default)]
pub(super) struct Allowed {
    v4: HashMap<FrontendKey<Ip4>, HashSet<(Ip4, Port)>>,
    v6: HashMap<FrontendKey<Ip6>, HashSet<(Ip6, Port)>>,
}

impl Allowed {
    pub(super) fn of<'a>(states: impl IntoIterator<Item = &'a Desired>) -> Self {
        let mut allowed = Self::default();
        for state in states {
            allow(&state.v4, &mut allowed.v4);
            allow(&state.v6, &mut allowed.v6);
        }
        allowed
    }
}

fn allow<A: Address>(
    family: &DesiredFamily<A>,
    allowed: &mut HashMap<FrontendKey<A>, HashSet<(A, Port)>>,
) {
    for port in &family.ports {
        for (key, _) in &port.frontends {
            let targets = port.cluster.iter().chain(&port.local);
            allowed
                .entry(*key)
                .or_default()
                .extend(targets.map(|it| (it.addr, it.port)));
        }
    }
    for &addr in &family.cluster_ips {
        allowed.entry(FrontendKey::of_address(addr)).or_default();
    }
}

/// Asserts that the maps hold exactly what is desired.
pub(super) fn assert_holds(image: &Image, desired: &Desired, planner: &Planner) {
    holds::<Ip4>(image, desired, planner);
    holds::<Ip6>(image, desired, planner);
    let placed = planner.image();
    assert_eq!(
        (&image.v4, &image.v6),
        (&placed.v4, &placed.v6),
        "the mirror is wrong"
    );
}

fn holds<A: Maps>(image: &Image, desired: &Desired, planner: &Planner) {
    let (half, family) = (A::half(image), A::desired(desired));
    let mut count = family.cluster_ips.len();
    let mut serving: BTreeMap<(A, Port), bool> = BTreeMap::new();
    for port in &family.ports {
        let targets = port.cluster.iter().chain(&port.local);
        serving.extend(targets.map(|it| ((it.addr, it.port), it.local)));
        let sorted = |list: &[Target<A>]| -> BTreeSet<_> {
            list.iter().map(|it| (it.addr, it.port)).collect()
        };
        let wanted = [sorted(&port.cluster), sorted(&port.local)];
        for (key, flags) in &port.frontends {
            count += 1;
            let value = half.frontends[key];
            assert_eq!(planner.service_name(value.service), Some(&*port.key));
            assert_eq!(
                (value.flags, value.affinity_seconds),
                (*flags, port.affinity_seconds)
            );
            let held = resolve::<A>(image, &value);
            assert_eq!(
                held.each_ref().map(Vec::len),
                [port.cluster.len(), port.local.len()]
            );
            assert_eq!(held.map(BTreeSet::from_iter), wanted);
            assert!(sorted_ids(image, value.cluster) && sorted_ids(image, value.local));
        }
    }
    for &addr in &family.cluster_ips {
        let flags = frontend::flags::INTERNAL | frontend::flags::ADDRESS_ONLY;
        let marker = Frontend {
            flags,
            ..Frontend::default()
        };
        assert_eq!(
            half.frontends.get(&FrontendKey::of_address(addr)),
            Some(&marker)
        );
    }
    assert_eq!(half.frontends.len(), count, "a frontend was left behind");
    let held = half
        .backends
        .iter()
        .filter(|it| it.flags & backend::flags::SERVING != 0);
    let held: BTreeMap<_, _> = held.map(|it| ((it.addr, it.port), it.is_local())).collect();
    assert_eq!(held, serving);
}

fn sorted_ids(image: &Image, pool: Pool) -> bool {
    table(&image.slots, pool).is_some_and(<[BackendId]>::is_sorted)
}
