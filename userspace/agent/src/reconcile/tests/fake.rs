//! A kernel made of hash maps, which can be told to fail.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use tidegate_abi::{
    Backend, BackendId, Counter, Device, Flow, FlowKey, Frontend, FrontendKey, Ip4, Ip6, LocalPod,
    Settings, SourceRangeKey,
};
use tidegate_loader::{Attach, Attached, DataPath, Error, Other, Role};

use crate::kernel::{FlowRecord, Kernel, Maps};

#[derive(Debug)]
pub(super) struct Half<A> {
    pub(super) frontends: HashMap<FrontendKey<A>, Frontend>,
    pub(super) backends: Vec<Backend<A>>,
    pub(super) pods: BTreeMap<A, LocalPod>,
    pub(super) source_ranges: BTreeSet<SourceRangeKey<A>>,
    pub(super) flows: HashMap<FlowKey<A>, Flow<A>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) v4: Half<Ip4>,
    pub(super) v6: Half<Ip6>,
    pub(super) slots: Vec<BackendId>,
    pub(super) devices: BTreeMap<u32, Device>,
    pub(super) attached: BTreeMap<String, Role>,
    /// How often a device was attached to.
    pub(super) attaches: u32,
    pub(super) settings: Option<Settings>,
    pub(super) host_backends: bool,
    /// Ids of service ports whose counters were cleared.
    pub(super) cleared: Vec<u32>,
    /// Devices that refuse to be attached.
    pub(super) stubborn: Vec<String>,
    pub(super) route_epoch: u32,
    /// How often it was told that addresses were taken from Services.
    pub(super) moved: u32,
    /// Whether there is room for another pod.
    pub(super) no_more_pods: bool,
    /// How often reading the frontends fails.
    pub(super) unreadable: u32,
    /// How many more writes of frontends fail.
    pub(super) failures: u32,
    /// How many more changes are made before the agent is dead; `None`: it lives.
    pub(super) fuel: Option<u32>,
    /// How many changes were made.
    pub(super) changes: u32,
    /// Another version of the maps, whose programs serve.
    pub(super) predecessor: Option<u32>,
}

/// Shared with the test, as pinned maps are shared by agents.
#[derive(Clone, Debug, Default)]
pub(super) struct Fake(Arc<Mutex<State>>);

impl<A> Default for Half<A> {
    fn default() -> Self {
        Self {
            frontends: HashMap::new(),
            backends: Vec::new(),
            pods: BTreeMap::new(),
            source_ranges: BTreeSet::new(),
            flows: HashMap::new(),
        }
    }
}

impl Fake {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// To be called before each change: whether there will be one.
    fn step(&self, what: &str) -> Result<(), Error> {
        let mut state = self.state();
        match &mut state.fuel {
            Some(0) => return Err(refused(what)),
            Some(left) => *left -= 1,
            None => {}
        }
        state.changes += 1;
        Ok(())
    }
}

impl State {
    /// Fails as long as writes of frontends are to fail.
    fn refuse(&mut self) -> Result<(), Error> {
        if self.failures == 0 {
            return Ok(());
        }
        self.failures -= 1;
        Err(refused("map"))
    }
}

/// Errors are made by the loader alone: this one says "cannot open /no/<what>".
fn refused(what: &str) -> Error {
    tidegate_loader::lock(&Path::new("/no").join(what)).unwrap_err()
}

impl Kernel for Fake {
    fn live(&self) -> Option<&DataPath> {
        None
    }
    fn adopted(&self) -> bool {
        false
    }
    fn attach_device(&mut self, name: &str, role: Role, _: Attach) -> Result<Attached, Error> {
        self.step("device")?;
        if self
            .state()
            .stubborn
            .iter()
            .any(|stubborn| stubborn == name)
        {
            return Err(refused("device"));
        }
        self.state().attaches += 1;
        self.state().attached.insert(name.to_owned(), role);
        Ok(Attached {
            hooks: "tcx".into(),
            why: "a fake".into(),
        })
    }
    fn detach_device(&mut self, name: &str) -> Result<(), Error> {
        self.step("device")?;
        self.state().attached.remove(name);
        Ok(())
    }
    fn forget_links_except(&mut self, _keep: &[u32]) -> Result<(), Error> {
        Ok(())
    }
    fn lost_devices(&self) -> Vec<String> {
        Vec::new()
    }
    fn others(&self) -> Vec<Other> {
        Vec::new()
    }
    fn repair_cgroup(&mut self) -> Result<bool, Error> {
        Ok(false)
    }
    fn restore_pins(&mut self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
    fn predecessor(&self) -> Option<u32> {
        self.state().predecessor
    }
    fn attach_hooks(&mut self) -> Result<(), Error> {
        self.step("hooks")
    }
    fn retire_others(&mut self) -> Result<(), Error> {
        self.state().predecessor = None;
        self.step("retire")
    }
    fn set_host_backends(&mut self, wanted: bool) -> Result<(), Error> {
        self.step("device")?;
        self.state().host_backends = wanted;
        Ok(())
    }
    fn set_settings(&mut self, settings: &Settings) -> Result<(), Error> {
        self.step("map")?;
        self.state().settings = Some(*settings);
        Ok(())
    }
    fn set_route_epoch(&mut self, epoch: u32) -> Result<(), Error> {
        self.step("map")?;
        self.state().route_epoch = epoch;
        Ok(())
    }
    fn note_moved(&mut self) -> Result<(), Error> {
        self.step("map")?;
        self.state().moved += 1;
        Ok(())
    }
    fn set_device(&mut self, index: u32, device: Option<Device>) -> Result<(), Error> {
        self.step("map")?;
        let devices = &mut self.state().devices;
        match device {
            Some(device) => devices.insert(index, device),
            None => devices.remove(&index),
        };
        Ok(())
    }
    fn known_devices(&self) -> Result<Vec<(u32, Device)>, Error> {
        Ok(self.state().devices.clone().into_iter().collect())
    }
    fn set_tables(&mut self, tables: &[(u32, &[BackendId])]) -> Result<(), Error> {
        for (start, ids) in tables {
            for (index, id) in (*start as usize..).zip(*ids) {
                self.step("map")?;
                let slots = &mut self.state().slots;
                slots.resize(slots.len().max(index + 1), BackendId::default());
                slots[index] = *id;
            }
        }
        Ok(())
    }
    fn slots(&self, len: u32) -> Result<Vec<BackendId>, Error> {
        Ok(self
            .state()
            .slots
            .iter()
            .take(len as usize)
            .copied()
            .collect())
    }
    fn clear_service_traffic(&mut self, id: u32) -> Result<(), Error> {
        self.step("map")?;
        self.state().cleared.push(id);
        Ok(())
    }
    fn counters(&self) -> Result<Vec<Counter>, Error> {
        Ok(vec![Counter {
            packets: 3,
            bytes: 300,
        }])
    }
    fn map_use(&self) -> Result<Vec<(String, Option<u32>, u32)>, Error> {
        Ok(vec![("flows4".into(), Some(1), 1024)])
    }
}

macro_rules! maps {
    ($family:ty, $half:ident) => {
        impl Maps<$family> for Fake {
            fn set_local_pod(&mut self, addr: $family, pod: Option<LocalPod>) -> Result<(), Error> {
                self.step("map")?;
                let mut state = self.state();
                if state.no_more_pods && pod.is_some() && !state.$half.pods.contains_key(&addr) {
                    return Err(refused("room"));
                }
                let pods = &mut state.$half.pods;
                match pod {
                    Some(pod) => pods.insert(addr, pod),
                    None => pods.remove(&addr),
                };
                Ok(())
            }
            fn set_frontends(
                &mut self,
                entries: &[(FrontendKey<$family>, Frontend)],
            ) -> Result<(), Error> {
                for (key, value) in entries {
                    self.step("map")?;
                    let mut state = self.state();
                    state.refuse()?;
                    state.$half.frontends.insert(*key, *value);
                }
                Ok(())
            }
            fn remove_frontends(&mut self, keys: &[FrontendKey<$family>]) -> Result<(), Error> {
                for key in keys {
                    self.step("map")?;
                    let mut state = self.state();
                    state.refuse()?;
                    state.$half.frontends.remove(key);
                }
                Ok(())
            }
            fn set_backends(
                &mut self,
                entries: &[(BackendId, Backend<$family>)],
            ) -> Result<(), Error> {
                for (id, value) in entries {
                    self.step("map")?;
                    let backends = &mut self.state().$half.backends;
                    let index = id.0 as usize;
                    backends.resize(backends.len().max(index + 1), Backend::default());
                    backends[index] = *value;
                }
                Ok(())
            }
            fn set_source_range(
                &mut self,
                key: SourceRangeKey<$family>,
                admitted: bool,
            ) -> Result<(), Error> {
                self.step("map")?;
                let ranges = &mut self.state().$half.source_ranges;
                if admitted {
                    ranges.insert(key);
                } else {
                    ranges.remove(&key);
                }
                Ok(())
            }
            fn source_ranges(&self) -> Result<Vec<SourceRangeKey<$family>>, Error> {
                Ok(self.state().$half.source_ranges.iter().copied().collect())
            }
            fn local_pods(&self) -> Result<Vec<($family, LocalPod)>, Error> {
                Ok(self.state().$half.pods.clone().into_iter().collect())
            }
            fn frontends(&self) -> Result<Vec<(FrontendKey<$family>, Frontend)>, Error> {
                let mut state = self.state();
                if state.unreadable > 0 {
                    state.unreadable -= 1;
                    return Err(refused("list"));
                }
                Ok(state.$half.frontends.clone().into_iter().collect())
            }
            fn backends(&self) -> Result<Vec<Backend<$family>>, Error> {
                Ok(self.state().$half.backends.clone())
            }
            fn flows(&self) -> Result<Vec<FlowRecord<$family>>, Error> {
                Ok(self.state().$half.flows.clone().into_iter().collect())
            }
            fn remove_flows(&mut self, keys: &[FlowKey<$family>]) -> Result<(), Error> {
                self.step("map")?;
                self.state()
                    .$half
                    .flows
                    .retain(|key, _| !keys.contains(key));
                Ok(())
            }
        }
    };
}

maps!(Ip4, v4);
maps!(Ip6, v6);
