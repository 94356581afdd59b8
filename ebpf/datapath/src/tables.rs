//! What the journey asks of the maps: one method a question, small values by copy.

use tidegate_abi::{
    Address, Backend, BackendId, Device, Flow, FlowKey, Frontend, FrontendKey, LocalPod, SocketKey,
    SocketPeer,
};

use crate::{Work, parse::Headers};

/// Outcome of recording something only if it is absent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Insert {
    /// Recorded.
    Done,
    /// There was a record already; it stands.
    Exists,
    /// The map refused.
    Full,
}

/// The maps of one address family.
pub trait Tables<A: Address> {
    /// The flow record for a tuple.
    fn flow(&self, key: &FlowKey<A>) -> Option<Flow<A>>;
    /// Records a flow if there is no record.
    fn add_flow(&self, key: &FlowKey<A>, flow: &Flow<A>) -> Insert;
    /// Records a flow, replacing what was there; `false` when the map refused.
    fn put_flow(&self, key: &FlowKey<A>, flow: &Flow<A>) -> bool;
    /// Notes the tick of a packet on an existing record.
    fn touch_flow(&self, key: &FlowKey<A>, tick: u32);
    /// Moves the TCP state of an existing record.
    fn set_flow_state(&self, key: &FlowKey<A>, state: u16);
    /// Removes a record.
    fn remove_flow(&self, key: &FlowKey<A>);

    /// What stands behind a dialled address.
    fn frontend(&self, key: &FrontendKey<A>) -> Option<Frontend>;
    /// The backend id in a slot.
    fn slot(&self, index: u32) -> Option<BackendId>;
    /// The backend with an id.
    fn backend(&self, id: BackendId) -> Option<Backend<A>>;
    /// The short way to a pod on this node.
    fn local_pod(&self, addr: A) -> Option<LocalPod>;
    /// A device that tidegate is attached to.
    fn device(&self, index: u32) -> Option<Device>;

    /// Whether an address lies in a service range.
    fn in_service_range(&self, addr: A) -> bool;
    /// The node's primary address; the unspecified one: none.
    fn node_address(&self) -> A;
    /// First and last masquerade port, host order.
    fn masquerade_ports(&self) -> (u16, u16);
    /// Whether clusterIPs are served to clients outside the cluster.
    fn external_cluster_ip(&self) -> bool;

    /// The frontend that a socket's peer stands for.
    fn socket_peer(&self, key: &SocketKey<A>) -> Option<SocketPeer<A>>;
    /// Lends memory for a journey off the beaten track, with the headers in it; `None`: there is none.
    fn with_work<R>(&self, headers: &Headers<A>, run: impl FnOnce(&mut Work<A>) -> R) -> Option<R>;

    /// Remembers it.
    fn put_socket_peer(&self, key: &SocketKey<A>, peer: &SocketPeer<A>);
}
