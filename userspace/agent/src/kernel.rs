//! What the reconcile loop needs of the data path; answered by the loader, and by a fake in tests.

use tidegate_abi::{
    Backend, BackendId, Counter, Device, Flow, FlowKey, Frontend, FrontendKey, Ip4, Ip6, LocalPod,
    Settings, SourceRangeKey,
};
use tidegate_loader::{Attach, Attached, DataPath, Error, Other, Role};

/// What exists once; see [`DataPath`], whose methods these are.
pub(crate) trait Kernel: Maps<Ip4> + Maps<Ip6> + Send + 'static {
    fn adopted(&self) -> bool;
    /// For who only looks; `None`: there is no kernel behind it.
    fn live(&self) -> Option<&DataPath>;
    fn attach_device(&mut self, name: &str, role: Role, attach: Attach) -> Result<Attached, Error>;
    fn detach_device(&mut self, name: &str) -> Result<(), Error>;
    fn forget_links_except(&mut self, keep: &[u32]) -> Result<(), Error>;
    fn lost_devices(&self) -> Vec<String>;
    fn others(&self) -> Vec<Other>;
    fn repair_cgroup(&mut self) -> Result<bool, Error>;
    fn restore_pins(&mut self) -> Result<Vec<String>, Error>;
    fn predecessor(&self) -> Option<u32>;
    fn attach_hooks(&mut self) -> Result<(), Error>;
    fn retire_others(&mut self) -> Result<(), Error>;
    fn set_host_backends(&mut self, wanted: bool) -> Result<(), Error>;
    fn set_settings(&mut self, settings: &Settings) -> Result<(), Error>;
    fn set_route_epoch(&mut self, epoch: u32) -> Result<(), Error>;
    fn note_moved(&mut self) -> Result<(), Error>;
    fn set_device(&mut self, index: u32, device: Option<Device>) -> Result<(), Error>;
    fn known_devices(&self) -> Result<Vec<(u32, Device)>, Error>;
    fn set_tables(&mut self, tables: &[(u32, &[BackendId])]) -> Result<(), Error>;
    fn slots(&self, len: u32) -> Result<Vec<BackendId>, Error>;
    fn clear_service_traffic(&mut self, id: u32) -> Result<(), Error>;
    fn counters(&self) -> Result<Vec<Counter>, Error>;
    fn map_use(&self) -> Result<Vec<(String, Option<u32>, u32)>, Error>;
}

/// A flow record with its key.
pub(crate) type FlowRecord<A> = (FlowKey<A>, Flow<A>);

/// What exists once for each address family.
pub(crate) trait Maps<A> {
    fn set_local_pod(&mut self, addr: A, pod: Option<LocalPod>) -> Result<(), Error>;
    fn set_frontends(&mut self, entries: &[(FrontendKey<A>, Frontend)]) -> Result<(), Error>;
    fn remove_frontends(&mut self, keys: &[FrontendKey<A>]) -> Result<(), Error>;
    fn set_backends(&mut self, entries: &[(BackendId, Backend<A>)]) -> Result<(), Error>;
    fn set_source_range(&mut self, key: SourceRangeKey<A>, admitted: bool) -> Result<(), Error>;
    fn local_pods(&self) -> Result<Vec<(A, LocalPod)>, Error>;
    fn frontends(&self) -> Result<Vec<(FrontendKey<A>, Frontend)>, Error>;
    fn backends(&self) -> Result<Vec<Backend<A>>, Error>;
    fn source_ranges(&self) -> Result<Vec<SourceRangeKey<A>>, Error>;
    fn flows(&self) -> Result<Vec<FlowRecord<A>>, Error>;
    fn remove_flows(&mut self, keys: &[FlowKey<A>]) -> Result<(), Error>;
}

impl Kernel for DataPath {
    fn live(&self) -> Option<&DataPath> {
        Some(self)
    }
    fn adopted(&self) -> bool {
        self.adopted()
    }
    fn attach_device(&mut self, name: &str, role: Role, attach: Attach) -> Result<Attached, Error> {
        self.attach_device(name, role, attach)
    }
    fn detach_device(&mut self, name: &str) -> Result<(), Error> {
        self.detach_device(name)
    }
    fn forget_links_except(&mut self, keep: &[u32]) -> Result<(), Error> {
        self.forget_links_except(keep)
    }
    fn lost_devices(&self) -> Vec<String> {
        self.lost_devices()
    }
    fn others(&self) -> Vec<Other> {
        self.others()
    }
    fn repair_cgroup(&mut self) -> Result<bool, Error> {
        self.repair_cgroup()
    }
    fn restore_pins(&mut self) -> Result<Vec<String>, Error> {
        self.restore_pins()
    }
    fn predecessor(&self) -> Option<u32> {
        self.predecessor()
    }
    fn attach_hooks(&mut self) -> Result<(), Error> {
        self.attach_hooks()
    }
    fn retire_others(&mut self) -> Result<(), Error> {
        self.retire_others()
    }
    fn set_host_backends(&mut self, wanted: bool) -> Result<(), Error> {
        self.set_host_backends(wanted)
    }
    fn set_settings(&mut self, settings: &Settings) -> Result<(), Error> {
        self.set_settings(settings)
    }
    fn set_route_epoch(&mut self, epoch: u32) -> Result<(), Error> {
        self.set_route_epoch(epoch)
    }
    fn note_moved(&mut self) -> Result<(), Error> {
        self.note_moved()
    }
    fn set_device(&mut self, index: u32, device: Option<Device>) -> Result<(), Error> {
        self.set_device(index, device)
    }
    fn known_devices(&self) -> Result<Vec<(u32, Device)>, Error> {
        self.known_devices()
    }
    fn set_tables(&mut self, tables: &[(u32, &[BackendId])]) -> Result<(), Error> {
        self.set_tables(tables)
    }
    fn slots(&self, len: u32) -> Result<Vec<BackendId>, Error> {
        self.slots(len)
    }
    fn clear_service_traffic(&mut self, id: u32) -> Result<(), Error> {
        self.clear_service_traffic(id)
    }
    fn counters(&self) -> Result<Vec<Counter>, Error> {
        self.counters()
    }
    fn map_use(&self) -> Result<Vec<(String, Option<u32>, u32)>, Error> {
        self.map_use()
    }
}

/// The loader's methods are generic, with bounds that hold for these two types only.
macro_rules! maps {
    ($family:ty) => {
        impl Maps<$family> for DataPath {
            fn set_local_pod(&mut self, addr: $family, pod: Option<LocalPod>) -> Result<(), Error> {
                self.set_local_pod(addr, pod)
            }
            fn set_frontends(
                &mut self,
                entries: &[(FrontendKey<$family>, Frontend)],
            ) -> Result<(), Error> {
                self.set_frontends(entries)
            }
            fn remove_frontends(&mut self, keys: &[FrontendKey<$family>]) -> Result<(), Error> {
                self.remove_frontends(keys)
            }
            fn set_backends(
                &mut self,
                entries: &[(BackendId, Backend<$family>)],
            ) -> Result<(), Error> {
                self.set_backends(entries)
            }
            fn set_source_range(
                &mut self,
                key: SourceRangeKey<$family>,
                admitted: bool,
            ) -> Result<(), Error> {
                self.set_source_range(key, admitted)
            }
            fn local_pods(&self) -> Result<Vec<($family, LocalPod)>, Error> {
                self.local_pods()
            }
            fn frontends(&self) -> Result<Vec<(FrontendKey<$family>, Frontend)>, Error> {
                self.frontends()
            }
            fn backends(&self) -> Result<Vec<Backend<$family>>, Error> {
                self.backends()
            }
            fn source_ranges(&self) -> Result<Vec<SourceRangeKey<$family>>, Error> {
                self.source_ranges()
            }
            fn flows(&self) -> Result<Vec<FlowRecord<$family>>, Error> {
                self.flows()
            }
            fn remove_flows(&mut self, keys: &[FlowKey<$family>]) -> Result<(), Error> {
                self.remove_flows(keys)
            }
        }
    };
}

maps!(Ip4);
maps!(Ip6);
