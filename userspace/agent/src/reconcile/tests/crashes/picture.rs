//! What a kernel means to packets, without the numbers that two agents may choose differently.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_abi::{
    Backend, Device, Frontend, FrontendKey, Ip4, LocalPod, Settings, backend, frontend::Pool,
    frontend::flags,
};

use super::{
    super::{Fake, agent, batch, fake::State},
    Step,
};

type Key = FrontendKey<Ip4>;
/// Address, port, flags: who may be sent packets.
type Serving = (Ip4, u16, u16);

/// Everything that an agent has written.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Picture {
    frontends: BTreeMap<Key, Shown>,
    /// Which frontends belong to one service port.
    services: BTreeSet<BTreeSet<Key>>,
    /// One for each that is in use, however often it is named.
    backends: Vec<Serving>,
    ranges: BTreeSet<(BTreeSet<Key>, u32, Ip4)>,
    pods: BTreeMap<Ip4, LocalPod>,
    devices: BTreeMap<u32, Device>,
    attached: Vec<String>,
    settings: Option<Settings>,
}

#[derive(Debug, Eq, PartialEq)]
struct Shown {
    flags: u32,
    affinity_seconds: u32,
    cluster: Vec<Serving>,
    local: Vec<Serving>,
}

impl Picture {
    pub(super) fn of(kernel: &Fake) -> Self {
        let state = kernel.state();
        let mut services: BTreeMap<u32, BTreeSet<Key>> = BTreeMap::new();
        for (key, frontend) in &state.v4.frontends {
            services.entry(frontend.service).or_default().insert(*key);
        }
        let ranges = state.v4.source_ranges.iter().map(|range| {
            let frontends = services.get(&range.service).cloned().unwrap_or_default();
            (frontends, range.prefix_len, range.addr)
        });
        let shown = |frontend: &Frontend| Shown {
            flags: frontend.flags,
            affinity_seconds: frontend.affinity_seconds,
            cluster: pool(&state, frontend.cluster),
            local: pool(&state, frontend.local),
        };
        let frontends = state.v4.frontends.iter();
        let is_used = |it: &&Backend<Ip4>| it.flags & backend::flags::SERVING != 0;
        let mut backends: Vec<Serving> = state
            .v4
            .backends
            .iter()
            .filter(is_used)
            .map(serving)
            .collect();
        backends.sort_unstable();
        Self {
            frontends: frontends.map(|(key, it)| (*key, shown(it))).collect(),
            ranges: ranges.collect(),
            services: services.into_values().collect(),
            backends,
            pods: state.v4.pods.clone(),
            devices: state.devices.clone(),
            attached: state.attached.keys().cloned().collect(),
            settings: state.settings,
        }
    }
}

fn serving(it: &Backend<Ip4>) -> Serving {
    (it.addr, it.port.get(), it.flags)
}

fn pool(state: &State, pool: Pool) -> Vec<Serving> {
    let slots = (pool.start..pool.start + pool.len).map(|it| state.slots[it as usize]);
    let mut all: Vec<Serving> = slots
        .map(|id| serving(&state.v4.backends[id.0 as usize]))
        .collect();
    all.sort_unstable();
    all
}

/// Where the frontends of a state of the sources may lead to, and whether they lead anywhere.
fn goals(text: &str) -> BTreeMap<Key, (BTreeSet<(Ip4, u16)>, bool)> {
    let kernel = Fake::default();
    let mut it = agent(&kernel);
    it.take_batch(batch(text));
    it.converge().unwrap();
    let picture = Picture::of(&kernel);
    let goal = |(key, shown): (Key, Shown)| {
        let all = shown.cluster.iter().chain(&shown.local);
        let addresses = all.map(|(addr, port, _)| (*addr, *port)).collect();
        (key, (addresses, !shown.cluster.is_empty()))
    };
    picture.frontends.into_iter().map(goal).collect()
}

/// Whether every packet is sent where it was sent before the change, or will be sent after it.
pub(super) fn consistent(kernel: &Fake, step: &Step) -> Result<(), String> {
    let (before, after) = (goals(step.before), goals(step.after));
    let state = kernel.state();
    for (key, frontend) in &state.v4.frontends {
        let goals = [before.get(key), after.get(key)];
        let known: BTreeSet<_> = goals.iter().flatten().flat_map(|it| &it.0).collect();
        if goals == [None, None] {
            return Err(format!("{key:?} is nobody's"));
        }
        for pool in [frontend.cluster, frontend.local] {
            for index in pool.start..pool.start + pool.len {
                let id = state
                    .slots
                    .get(index as usize)
                    .ok_or("a slot that is not")?;
                let found = state.v4.backends.get(id.0 as usize);
                let found = found.ok_or(format!("{key:?}: slot {index} names nobody"))?;
                let serves = found.flags & backend::flags::SERVING != 0;
                if id.0 == 0 || !serves || !known.contains(&(found.addr, found.port.get())) {
                    return Err(format!("{key:?}: slot {index} leads to {id:?} {found:?}"));
                }
            }
        }
    }
    for (key, (_, led)) in &before {
        let Some((_, leads)) = after.get(key) else {
            continue;
        };
        let Some(frontend) = state.v4.frontends.get(key) else {
            return Err(format!("{key:?} was there, will be there, and is not"));
        };
        let is_address = frontend.flags & flags::ADDRESS_ONLY != 0;
        if *led && *leads && frontend.cluster.len == 0 && !is_address {
            return Err(format!("{key:?} leads nowhere"));
        }
    }
    Ok(())
}
