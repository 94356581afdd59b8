//! Tables and world of a journey on paper: reads come from the live maps, writes stay here.
//!
//! A value that was read or written once is not asked for again, so that one journey sees one state of it,
//! whatever happens in the kernel meanwhile.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::Hash,
};

use tidegate_abi::{
    Address, Affinity, AffinityKey, Backend, BackendId, Device, Flow, FlowKey, Fragment,
    FragmentKey, Frontend, FrontendKey, LocalPod, Settings, SocketKey, SocketPeer,
};
use tidegate_datapath::{Clock, Copied, Insert, Route, Tables, Work, World, parse::Headers};

use crate::{Asked, Live, maps::Found};

/// What is known of the entries of one map: read, or written on paper. `None`: there is no such entry.
type Entries<K, V> = RefCell<HashMap<K, Option<V>>>;

/// See the module's words.
#[derive(Debug)]
pub struct Overlay<'a, A: Address, L> {
    live: &'a L,
    now_ns: u64,
    settings: Settings,
    /// Where the packet entered.
    device: Cell<u32>,
    flows: Entries<FlowKey<A>, Flow<A>>,
    fragments: Entries<FragmentKey<A>, Fragment>,
    affinity: Entries<AffinityKey<A>, Affinity>,
    sockets: Entries<SocketKey<A>, SocketPeer<A>>,
    work: RefCell<Work<A>>,
    asked: RefCell<Vec<Asked<A>>>,
    failure: RefCell<Option<String>>,
}

impl<'a, A: Address, L: Live<A>> Overlay<'a, A, L>
where
    Work<A>: Default,
{
    /// Over these maps, as they are at this moment.
    ///
    /// # Errors
    /// One sentence, when the settings cannot be read.
    pub fn new(live: &'a L) -> Result<Self, String> {
        Ok(Self {
            live,
            now_ns: live.now_ns(),
            settings: live.settings()?,
            device: Cell::new(0),
            flows: RefCell::default(),
            fragments: RefCell::default(),
            affinity: RefCell::default(),
            sockets: RefCell::default(),
            work: RefCell::default(),
            asked: RefCell::default(),
            failure: RefCell::default(),
        })
    }

    /// The packet enters here now.
    pub(crate) fn enter(&self, device: u32) {
        self.device.set(device);
    }

    /// What was asked since the last call; or why something could not be.
    pub(crate) fn take_asked(&self) -> Found<Vec<Asked<A>>> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(self.asked.take()),
        }
    }

    /// The node's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn note(&self, asked: Asked<A>) {
        self.asked.borrow_mut().push(asked);
    }

    /// The answer, or its default and a failure that ends the explanation.
    fn told<T: Default>(&self, found: Found<T>) -> T {
        found.unwrap_or_else(|failure| {
            let _first: &mut String = self.failure.borrow_mut().get_or_insert(failure);
            T::default()
        })
    }

    fn known<K: Eq + Hash + Copy, V: Copy>(
        &self,
        entries: &Entries<K, V>,
        key: &K,
        ask: impl FnOnce() -> Found<Option<V>>,
    ) -> Option<V> {
        if let Some(known) = entries.borrow().get(key) {
            return *known;
        }
        let found = self.told(ask());
        entries.borrow_mut().insert(*key, found);
        found
    }

    fn see_flow(&self, key: &FlowKey<A>) -> Option<Flow<A>> {
        self.known(&self.flows, key, || self.live.flow(key))
    }

    fn see_fragment(&self, key: &FragmentKey<A>) -> Option<Fragment> {
        self.known(&self.fragments, key, || self.live.fragment(key))
    }

    /// Changes a record that is there.
    fn change(&self, key: &FlowKey<A>, asked: Asked<A>, change: impl FnOnce(&mut Flow<A>)) {
        if let Some(mut flow) = self.see_flow(key) {
            change(&mut flow);
            self.flows.borrow_mut().insert(*key, Some(flow));
            self.note(asked);
        }
    }

    fn change_fragment(&self, key: &FragmentKey<A>, change: impl FnOnce(&mut Fragment)) {
        if let Some(mut record) = self.see_fragment(key) {
            change(&mut record);
            self.fragments.borrow_mut().insert(*key, Some(record));
            self.note(Asked::FragmentPut(*key, record));
        }
    }
}

impl<A: Address, L: Live<A>> Tables<A> for Overlay<'_, A, L>
where
    Work<A>: Default,
{
    type Own = Copied<A>;

    fn own_flow(&self, key: &FlowKey<A>) -> Option<Copied<A>> {
        self.flow(key).map(Copied)
    }

    fn flow(&self, key: &FlowKey<A>) -> Option<Flow<A>> {
        let found = self.see_flow(key);
        self.note(Asked::Flow(*key, found));
        found
    }

    fn add_flow(&self, key: &FlowKey<A>, flow: &Flow<A>) -> Insert {
        if self.see_flow(key).is_some() {
            self.note(Asked::FlowExists(*key));
            return Insert::Exists;
        }
        self.flows.borrow_mut().insert(*key, Some(*flow));
        self.note(Asked::FlowAdded(*key, *flow));
        Insert::Done
    }

    fn put_flow(&self, key: &FlowKey<A>, flow: &Flow<A>) -> bool {
        self.flows.borrow_mut().insert(*key, Some(*flow));
        self.note(Asked::FlowPut(*key, *flow));
        true
    }

    fn touch_flow(&self, key: &FlowKey<A>, tick: u32) {
        self.change(key, Asked::FlowTouched(*key), |flow| flow.seen = tick);
    }

    fn set_flow_state(&self, key: &FlowKey<A>, state: u16) {
        self.change(key, Asked::FlowMoved(*key, state), |flow| {
            flow.state = state;
        });
    }

    fn void_flow(&self, key: &FlowKey<A>) {
        self.change(key, Asked::FlowVoided(*key), |flow| flow.dst = A::default());
    }

    fn remove_flow(&self, key: &FlowKey<A>) {
        if self.see_flow(key).is_some() {
            self.flows.borrow_mut().insert(*key, None);
            self.note(Asked::FlowRemoved(*key));
        }
    }

    fn fragment(&self, key: &FragmentKey<A>) -> Option<Fragment> {
        let found = self.see_fragment(key);
        self.note(Asked::Fragment(*key, found));
        found
    }

    fn put_fragment(&self, key: &FragmentKey<A>, record: &Fragment) {
        self.fragments.borrow_mut().insert(*key, Some(*record));
        self.note(Asked::FragmentPut(*key, *record));
    }

    fn set_fragment_fate(&self, key: &FragmentKey<A>, fate: u8) {
        self.change_fragment(key, |record| record.fate = fate);
    }

    fn set_fragment_held(&self, key: &FragmentKey<A>, held: u16) {
        self.change_fragment(key, |record| record.held = held);
    }

    fn frontend(&self, key: &FrontendKey<A>) -> Option<Frontend> {
        let found = self.told(self.live.frontend(key));
        self.note(Asked::Frontend(*key, found));
        found
    }

    fn slot(&self, index: u32) -> Option<BackendId> {
        let found = self.told(self.live.slot(index));
        self.note(Asked::Slot(index, found));
        found
    }

    fn backend(&self, id: BackendId) -> Option<Backend<A>> {
        let found = self.told(self.live.backend(id));
        self.note(Asked::Backend(id, found));
        found
    }

    fn admits(&self, service: u32, client: A) -> bool {
        let admitted = self.told(self.live.admits(service, client));
        self.note(Asked::Admits(service, client, admitted));
        admitted
    }

    fn affinity(&self, key: &AffinityKey<A>) -> Option<Affinity> {
        let found = self.known(&self.affinity, key, || self.live.affinity(key));
        self.note(Asked::Affinity(*key, found));
        found
    }

    fn put_affinity(&self, key: &AffinityKey<A>, record: &Affinity) {
        self.affinity.borrow_mut().insert(*key, Some(*record));
        self.note(Asked::AffinityPut(*key, *record));
    }

    fn local_pod(&self, addr: A) -> Option<LocalPod> {
        let found = self.told(self.live.local_pod(addr));
        self.note(Asked::LocalPod(addr, found));
        found
    }

    fn device(&self, index: u32) -> Option<Device> {
        let found = self.told(self.live.device(index));
        self.note(Asked::Device(index, found));
        found
    }

    fn in_service_range(&self, addr: A) -> bool {
        addr.in_service_range(&self.settings)
    }

    fn in_pod_range(&self, addr: A) -> bool {
        addr.in_pod_range(&self.settings)
    }

    fn node_address(&self) -> A {
        A::of_node(&self.settings)
    }

    fn masquerade_ports(&self) -> (u16, u16) {
        (self.settings.masquerade_min, self.settings.masquerade_max)
    }

    /// On paper every packet is asked: what comes of it is the same as in the kernel, which only asks less often.
    fn moved(&self) -> u32 {
        self.tick()
    }

    fn has_setting(&self, flag: u32) -> bool {
        self.settings.flags & flag != 0
    }

    fn socket_peer(&self, key: &SocketKey<A>) -> Option<SocketPeer<A>> {
        let found = self.known(&self.sockets, key, || self.live.socket_peer(key));
        self.note(Asked::SocketPeer(*key, found));
        found
    }

    fn with_work<R>(&self, headers: &Headers<A>, run: impl FnOnce(&mut Work<A>) -> R) -> Option<R> {
        let mut work = self.work.borrow_mut();
        work.headers = *headers;
        Some(run(&mut work))
    }

    fn resume_work<R>(&self, run: impl FnOnce(&mut Work<A>) -> R) -> Option<R> {
        Some(run(&mut self.work.borrow_mut()))
    }

    fn put_socket_peer(&self, key: &SocketKey<A>, peer: &SocketPeer<A>) {
        self.sockets.borrow_mut().insert(*key, Some(*peer));
        self.note(Asked::SocketPeerPut(*key, *peer));
    }
}

impl<A: Address, L> Clock for Overlay<'_, A, L> {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }
}

impl<A: Address, L: Live<A>> World<A> for Overlay<'_, A, L>
where
    Work<A>: Default,
{
    fn random(&self) -> u32 {
        self.note(Asked::Random);
        0
    }

    fn may_answer(&self) -> bool {
        self.note(Asked::MayAnswer);
        true
    }

    fn route(&self, device: u32, key: &FlowKey<A>, len: u32) -> Route {
        let route = self.live.route(device, key, len).unwrap_or_else(|failure| {
            let _first: &mut String = self.failure.borrow_mut().get_or_insert(failure);
            Route::None
        });
        self.note(Asked::Route(*key, len, route));
        route
    }

    fn socket_answers(&self, key: &FlowKey<A>) -> bool {
        let answers = self.told(self.live.socket_answers(self.device.get(), key));
        self.note(Asked::SocketAnswers(*key, answers));
        answers
    }
}
