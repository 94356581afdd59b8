//! The maps as hash maps, which answer for both families.
//!
//! Where a kernel map is an array, an entry that nobody wrote reads as zeros here too.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;

use tidegate_abi::{
    Address, Affinity, AffinityKey, Backend, BackendId, Device, Flow, FlowKey, Fragment,
    FragmentKey, Frontend, FrontendKey, Ip4, Ip6, LocalPod, Settings, SocketKey, SocketPeer, maps,
};
use tidegate_datapath::{Copied, Insert, Tables, Work, parse::Headers};

use tidegate_explain::Held;

/// The maps of one family.
#[derive(Debug, Default)]
pub struct Side<A: Address> {
    /// Flow records.
    pub flows: RefCell<HashMap<FlowKey<A>, Flow<A>>>,
    /// Frontends.
    pub frontends: RefCell<HashMap<FrontendKey<A>, Frontend>>,
    /// Backends by id.
    pub backends: RefCell<HashMap<u32, Backend<A>>>,
    /// Last backends of clients.
    pub affinity: RefCell<HashMap<AffinityKey<A>, Affinity>>,
    /// Source ranges: service port, first address, prefix length.
    pub source_ranges: RefCell<Vec<(u32, A, u8)>>,
    /// Datagrams in fragments.
    pub fragments: RefCell<HashMap<FragmentKey<A>, Fragment>>,
    /// The short ways to pods.
    pub local_pods: RefCell<HashMap<A, LocalPod>>,
    /// Room for large values.
    pub work: RefCell<Work<A>>,
    /// Sockets of host processes.
    pub sockets: RefCell<HashMap<SocketKey<A>, SocketPeer<A>>>,
}

/// All maps.
#[derive(Debug, Default)]
pub struct HostTables {
    /// Those of IPv4.
    pub v4: Side<Ip4>,
    /// Those of IPv6.
    pub v6: Side<Ip6>,
    /// Selection tables, end to end.
    pub slots: RefCell<Vec<BackendId>>,
    /// Devices by interface index.
    pub devices: RefCell<HashMap<u32, Device>>,
    /// The node's settings.
    pub settings: Cell<Settings>,
    /// The tick in which an address was last taken from a Service.
    pub moved: Cell<u32>,
    /// Frames that wait for others.
    pub held: Held,
}

/// An address family that [`HostTables`] has maps for.
pub trait Family: Address {
    /// Its maps.
    fn side(tables: &HostTables) -> &Side<Self>;
}

impl Family for Ip4 {
    fn side(tables: &HostTables) -> &Side<Self> {
        &tables.v4
    }
}

impl Family for Ip6 {
    fn side(tables: &HostTables) -> &Side<Self> {
        &tables.v6
    }
}

/// Whether the first bits of two addresses of one family are the same.
fn share_prefix(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    let bits_of = |ip: IpAddr| -> Vec<bool> {
        let octets = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        octets
            .iter()
            .flat_map(|octet| (0..8).map(move |bit| octet >> (7 - bit) & 1 == 1))
            .collect()
    };
    bits_of(a)
        .iter()
        .zip(bits_of(b))
        .take(usize::from(bits))
        .all(|(a, b)| *a == b)
}

impl<A: Family> Tables<A> for HostTables {
    type Own = Copied<A>;

    fn own_flow(&self, key: &FlowKey<A>) -> Option<Copied<A>> {
        self.flow(key).map(Copied)
    }

    fn flow(&self, key: &FlowKey<A>) -> Option<Flow<A>> {
        A::side(self).flows.borrow().get(key).copied()
    }

    fn add_flow(&self, key: &FlowKey<A>, flow: &Flow<A>) -> Insert {
        let mut flows = A::side(self).flows.borrow_mut();
        if flows.contains_key(key) {
            return Insert::Exists;
        }
        flows.insert(*key, *flow);
        Insert::Done
    }

    fn put_flow(&self, key: &FlowKey<A>, flow: &Flow<A>) -> bool {
        A::side(self).flows.borrow_mut().insert(*key, *flow);
        true
    }

    fn touch_flow(&self, key: &FlowKey<A>, tick: u32) {
        if let Some(flow) = A::side(self).flows.borrow_mut().get_mut(key) {
            flow.seen = tick;
        }
    }

    fn set_flow_state(&self, key: &FlowKey<A>, state: u16) {
        if let Some(flow) = A::side(self).flows.borrow_mut().get_mut(key) {
            flow.state = state;
        }
    }

    fn void_flow(&self, key: &FlowKey<A>) {
        if let Some(flow) = A::side(self).flows.borrow_mut().get_mut(key) {
            flow.dst = A::default();
        }
    }

    fn remove_flow(&self, key: &FlowKey<A>) {
        A::side(self).flows.borrow_mut().remove(key);
    }

    fn fragment(&self, key: &FragmentKey<A>) -> Option<Fragment> {
        A::side(self).fragments.borrow().get(key).copied()
    }

    fn put_fragment(&self, key: &FragmentKey<A>, record: &Fragment) {
        A::side(self).fragments.borrow_mut().insert(*key, *record);
    }

    fn set_fragment_fate(&self, key: &FragmentKey<A>, fate: u8) {
        if let Some(record) = A::side(self).fragments.borrow_mut().get_mut(key) {
            record.fate = fate;
        }
    }

    fn set_fragment_held(&self, key: &FragmentKey<A>, held: u16) {
        if let Some(record) = A::side(self).fragments.borrow_mut().get_mut(key) {
            record.held = held;
        }
    }

    fn frontend(&self, key: &FrontendKey<A>) -> Option<Frontend> {
        A::side(self).frontends.borrow().get(key).copied()
    }

    fn slot(&self, index: u32) -> Option<BackendId> {
        let written = self.slots.borrow().get(index as usize).copied();
        (index < maps::SLOTS_MAX).then_some(written.unwrap_or_default())
    }

    fn backend(&self, id: BackendId) -> Option<Backend<A>> {
        let written = A::side(self).backends.borrow().get(&id.0).copied();
        (id.0 < maps::BACKENDS_MAX).then_some(written.unwrap_or_default())
    }

    fn local_pod(&self, addr: A) -> Option<LocalPod> {
        A::side(self).local_pods.borrow().get(&addr).copied()
    }

    fn device(&self, index: u32) -> Option<Device> {
        self.devices.borrow().get(&index).copied()
    }

    fn in_service_range(&self, addr: A) -> bool {
        addr.in_service_range(&self.settings.get())
    }

    fn in_pod_range(&self, addr: A) -> bool {
        addr.in_pod_range(&self.settings.get())
    }

    fn node_address(&self) -> A {
        A::of_node(&self.settings.get())
    }

    fn masquerade_ports(&self) -> (u16, u16) {
        let settings = self.settings.get();
        (settings.masquerade_min, settings.masquerade_max)
    }

    fn moved(&self) -> u32 {
        self.moved.get()
    }

    fn has_setting(&self, flag: u32) -> bool {
        self.settings.get().flags & flag != 0
    }

    fn admits(&self, service: u32, client: A) -> bool {
        let holds = |&(of, base, prefix): &(u32, A, u8)| {
            of == service && share_prefix(base.to_ip(), client.to_ip(), prefix)
        };
        A::side(self).source_ranges.borrow().iter().any(holds)
    }

    fn affinity(&self, key: &AffinityKey<A>) -> Option<Affinity> {
        A::side(self).affinity.borrow().get(key).copied()
    }

    fn put_affinity(&self, key: &AffinityKey<A>, record: &Affinity) {
        A::side(self).affinity.borrow_mut().insert(*key, *record);
    }

    fn socket_peer(&self, key: &SocketKey<A>) -> Option<SocketPeer<A>> {
        A::side(self).sockets.borrow().get(key).copied()
    }

    fn with_work<R>(&self, headers: &Headers<A>, run: impl FnOnce(&mut Work<A>) -> R) -> Option<R> {
        // Lent to one at a time, and what is not written anew is what the last one left.
        let mut work = A::side(self).work.borrow_mut();
        work.headers = *headers;
        Some(run(&mut work))
    }

    fn resume_work<R>(&self, run: impl FnOnce(&mut Work<A>) -> R) -> Option<R> {
        Some(run(&mut A::side(self).work.borrow_mut()))
    }

    fn put_socket_peer(&self, key: &SocketKey<A>, peer: &SocketPeer<A>) {
        A::side(self).sockets.borrow_mut().insert(*key, *peer);
    }
}
