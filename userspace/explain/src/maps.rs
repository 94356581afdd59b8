//! Where answers come from: the maps of a running data path, one lookup a question.

use tidegate_abi::{
    Address, Affinity, AffinityKey, Backend, BackendId, Device, Flow, FlowKey, Fragment,
    FragmentKey, Frontend, FrontendKey, LocalPod, Settings, SocketKey, SocketPeer,
};
use tidegate_datapath::Route;

/// An answer, or one sentence that says why there is none.
pub(crate) type Found<T> = Result<T, String>;

/// The maps of one family, and what surrounds them. Nobody writes by it.
pub trait Live<A: Address> {
    /// The flow record of a tuple.
    fn flow(&self, key: &FlowKey<A>) -> Found<Option<Flow<A>>>;
    /// What is known of a datagram in fragments.
    fn fragment(&self, key: &FragmentKey<A>) -> Found<Option<Fragment>>;
    /// What stands behind a dialled address.
    fn frontend(&self, key: &FrontendKey<A>) -> Found<Option<Frontend>>;
    /// The backend id in a slot; `None`: there is no such slot.
    fn slot(&self, index: u32) -> Found<Option<BackendId>>;
    /// The backend with an id; `None`: there is no such id.
    fn backend(&self, id: BackendId) -> Found<Option<Backend<A>>>;
    /// Whether a service port with source ranges admits a client.
    fn admits(&self, service: u32, client: A) -> Found<bool>;
    /// The backend that a client had last.
    fn affinity(&self, key: &AffinityKey<A>) -> Found<Option<Affinity>>;
    /// The short way to a pod on this node.
    fn local_pod(&self, addr: A) -> Found<Option<LocalPod>>;
    /// A device that tidegate is attached to.
    fn device(&self, index: u32) -> Found<Option<Device>>;
    /// The node's settings.
    fn settings(&self) -> Found<Settings>;
    /// The frontend that a socket's peer stands for.
    fn socket_peer(&self, key: &SocketKey<A>) -> Found<Option<SocketPeer<A>>>;
    /// `CLOCK_MONOTONIC` nanoseconds.
    fn now_ns(&self) -> u64;
    /// The way of a packet that entered at a device and now has this tuple, `len` bytes from the IP header on.
    fn route(&self, device: u32, key: &FlowKey<A>, len: u32) -> Found<Route>;
    /// Whether a socket of this host would answer such a packet.
    fn socket_answers(&self, device: u32, key: &FlowKey<A>) -> Found<bool>;
}
