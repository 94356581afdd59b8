//! A simulated kernel, and random desired states, for the tests of the planner.

mod change;
mod holds;
mod kernel;

use std::{collections::BTreeSet, sync::Arc};

use tidegate_abi::{FrontendKey, Ip4, Ip6, Port, Proto, frontend::flags};

use super::write::Maps;
use crate::{
    desired::{Block, Delta, Desired, DesiredFamily, DesiredPort, FamilyDelta, Target},
    model::PortKey,
};
pub(super) use change::{Change, is_let_in};
pub(crate) use holds::assert_holds;
pub(crate) use kernel::Kernel;

/// xorshift64: the same numbers in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
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

pub(super) fn key<A: Maps>(name: &str) -> Arc<PortKey> {
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

/// How many clients of each family there are.
const CLIENTS: u8 = 8;

/// Everybody who might dial.
pub(super) fn clients<A: Numbered>() -> impl Iterator<Item = A> {
    (0..CLIENTS).map(|host| A::numbered(203, host))
}

/// A block of clients that leaves so many bits open.
pub(super) fn block<A: Numbered>(host: u8, open: usize) -> Block<A> {
    let bits = 8 * size_of::<A>();
    let prefix_len = u8::try_from(bits.saturating_sub(open)).unwrap();
    Block::new(A::numbered(203, host), prefix_len)
}

/// A service port with a clusterIP and these backends.
pub(super) fn port<A: Numbered>(name: &str, host: u8, targets: &[u8]) -> DesiredPort<A> {
    let mut cluster: Vec<_> = targets.iter().map(|&host| target(host)).collect();
    cluster.sort_unstable();
    DesiredPort {
        key: key::<A>(name),
        origin: crate::problem::Origin::default(),
        frontends: vec![(dialled(host), flags::INTERNAL)],
        local: cluster
            .iter()
            .filter(|target| target.local)
            .copied()
            .collect(),
        cluster,
        affinity_seconds: 0,
        source_ranges: Vec::new(),
    }
}

/// The same, with all its frontends guarded by these ranges.
pub(super) fn guarded<A: Numbered>(
    port: DesiredPort<A>,
    source_ranges: &[Block<A>],
) -> DesiredPort<A> {
    let guard = |&(key, flags): &(FrontendKey<A>, u32)| (key, flags | flags::SOURCE_RANGES);
    DesiredPort {
        frontends: port.frontends.iter().map(guard).collect(),
        source_ranges: source_ranges.to_vec(),
        ..port
    }
}

pub(super) fn desired4(ports: Vec<DesiredPort<Ip4>>) -> Desired {
    Desired {
        v4: DesiredFamily {
            ports: ports.into_iter().map(Arc::new).collect(),
            markers: Vec::new(),
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
        match dice.roll(4) {
            0 => new.local.clear(),
            // As a fallback does: what is here is not what is used elsewhere.
            1 => drop(new.cluster.pop()),
            _ => {}
        }
        if dice.roll(2) == 0 {
            new.source_ranges = random_blocks(dice);
        }
        new.frontends.clear();
        for _ in 0..=dice.roll(2) {
            if !free.is_empty() {
                let host = free.swap_remove(dice.index(free.len()));
                let is_guarded = !new.source_ranges.is_empty() && dice.roll(3) > 0;
                let guard = if is_guarded { flags::SOURCE_RANGES } else { 0 };
                let flags = dice.roll(4) as u32 | guard;
                new.frontends.push((dialled(host), flags));
            }
        }
        new.affinity_seconds = dice.roll(2) as u32 * 60;
        let marker = flags::ADDRESS_ONLY | (dice.roll(2) as u32 * flags::PING);
        let addr = new.frontends.first().map(|(key, _)| key.addr);
        family.markers.extend(addr.map(|addr| (addr, marker)));
        family.ports.push(Arc::new(new));
    }
    family.markers.sort_unstable();
    family
}

fn random_blocks<A: Numbered>(dice: &mut Dice) -> Vec<Block<A>> {
    let open = |dice: &mut Dice| match dice.roll(12) {
        0 => 8 * size_of::<A>(),
        roll => roll as usize % 4,
    };
    let blocks: BTreeSet<_> = (0..=dice.roll(3))
        .map(|_| block(dice.roll(CLIENTS.into()) as u8, open(dice)))
        .collect();
    blocks.into_iter().collect()
}

/// What of a desired state is other than before.
pub(super) fn delta(old: &Desired, new: &Desired) -> Delta {
    Delta {
        v4: family_delta(&old.v4, &new.v4),
        v6: family_delta(&old.v6, &new.v6),
    }
}

fn family_delta<A: Numbered>(old: &DesiredFamily<A>, new: &DesiredFamily<A>) -> FamilyDelta<A> {
    let other = new.ports.iter().filter(|port| !old.ports.contains(port));
    let is_gone = |port: &&Arc<DesiredPort<A>>| new.ports.iter().all(|it| it.key != port.key);
    let gone = old.ports.iter().filter(is_gone);
    let is_unmarked = |(addr, _): &&(A, u32)| new.markers.iter().all(|it| it.0 != *addr);
    let unmarked = old.markers.iter().filter(is_unmarked);
    let marked = new.markers.iter().filter(|it| !old.markers.contains(it));
    let marked = marked.map(|&(addr, flags)| (addr, Some(flags)));
    FamilyDelta {
        ports: other.cloned().collect(),
        gone: gone.map(|port| Arc::clone(&port.key)).collect(),
        markers: unmarked.map(|it| (it.0, None)).chain(marked).collect(),
    }
}
