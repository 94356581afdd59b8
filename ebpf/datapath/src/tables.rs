//! What the journey asks of the maps: one method a question, small values by copy.

use core::ops::Deref;

use tidegate_abi::{
    Address, Affinity, AffinityKey, Backend, BackendId, Device, Flow, FlowKey, Fragment,
    FragmentKey, Frontend, FrontendKey, LocalPod, Reason, SocketKey, SocketPeer,
};

use crate::{Work, parse::Headers, select::Choice, socket::Call, verdict::Entry};

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

/// A flow record where memory costs nothing: the record itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Copied<A>(pub Flow<A>);

impl<A> Deref for Copied<A> {
    type Target = Flow<A>;

    fn deref(&self) -> &Flow<A> {
        &self.0
    }
}

/// The maps of one address family.
pub trait Tables<A: Address> {
    /// Where [`Tables::own_flow`] keeps the record.
    type Own: Deref<Target = Flow<A>>;

    /// The flow record for a tuple.
    fn flow(&self, key: &FlowKey<A>) -> Option<Flow<A>>;
    /// The flow record of the packet itself, asked for once: it is copied to where nobody changes it, and where
    /// the packet programs have more room than on their stack.
    fn own_flow(&self, key: &FlowKey<A>) -> Option<Self::Own>;
    /// Records a flow if there is no record.
    fn add_flow(&self, key: &FlowKey<A>, flow: &Flow<A>) -> Insert;
    /// Records a flow, replacing what was there; `false` when the map refused.
    fn put_flow(&self, key: &FlowKey<A>, flow: &Flow<A>) -> bool;
    /// Notes the tick of a packet on an existing record.
    fn touch_flow(&self, key: &FlowKey<A>, tick: u32);
    /// Moves the TCP state of an existing record.
    fn set_flow_state(&self, key: &FlowKey<A>, state: u16);
    /// Makes an existing record lead nowhere ([`Flow::is_void`]).
    fn void_flow(&self, key: &FlowKey<A>);
    /// Removes a record.
    fn remove_flow(&self, key: &FlowKey<A>);

    /// What is known of a datagram in fragments.
    fn fragment(&self, key: &FragmentKey<A>) -> Option<Fragment>;
    /// Records it, replacing what was there. Lost at worst, and its fragments with it.
    fn put_fragment(&self, key: &FragmentKey<A>, record: &Fragment);
    /// Says what became of the first fragment, on an existing record.
    fn set_fragment_fate(&self, key: &FragmentKey<A>, fate: u8);
    /// Says how many fragments are held, on an existing record.
    fn set_fragment_held(&self, key: &FragmentKey<A>, held: u16);

    /// The tick in which an address was last taken away from a Service, or given to another one.
    fn moved(&self) -> u32;
    /// What stands behind a dialled address.
    fn frontend(&self, key: &FrontendKey<A>) -> Option<Frontend>;
    /// The backend id in a slot.
    fn slot(&self, index: u32) -> Option<BackendId>;
    /// The backend with an id.
    fn backend(&self, id: BackendId) -> Option<Backend<A>>;
    /// Whether a service port with source ranges admits a client (rule 3.6.10: any hit does).
    fn admits(&self, service: u32, client: A) -> bool;
    /// The backend that a client had last.
    fn affinity(&self, key: &AffinityKey<A>) -> Option<Affinity>;
    /// Remembers it. Lost at worst, which costs the client its backend only (rule 4.20).
    fn put_affinity(&self, key: &AffinityKey<A>, record: &Affinity);
    /// The short way to a pod on this node.
    fn local_pod(&self, addr: A) -> Option<LocalPod>;
    /// A device that tidegate is attached to.
    fn device(&self, index: u32) -> Option<Device>;

    /// Whether an address lies in a service range.
    fn in_service_range(&self, addr: A) -> bool;
    /// Whether an address lies in a range of pods.
    fn in_pod_range(&self, addr: A) -> bool;
    /// The node's primary address; the unspecified one: none.
    fn node_address(&self) -> A;
    /// First and last masquerade port, host order.
    fn masquerade_ports(&self) -> (u16, u16);
    /// Whether a flag of [`tidegate_abi::settings::flags`] is set.
    fn has_setting(&self, flag: u32) -> bool;

    /// The frontend that a socket's peer stands for.
    fn socket_peer(&self, key: &SocketKey<A>) -> Option<SocketPeer<A>>;
    /// Lends memory for a journey off the beaten track, with the headers in it; `None`: there is none.
    fn with_work<R>(&self, headers: &Headers<A>, run: impl FnOnce(&mut Work<A>) -> R) -> Option<R>;

    /// The same memory as the last [`Tables::with_work`] of this packet left it.
    fn resume_work<R>(&self, run: impl FnOnce(&mut Work<A>) -> R) -> Option<R>;
    /// Between two steps of such a journey: nothing that the first one knew about the values in `work`
    /// need be known to the second.
    fn settle(&self, _work: &mut Work<A>) {}

    /// Remembers it.
    fn put_socket_peer(&self, key: &SocketKey<A>, peer: &SocketPeer<A>);

    /// A packet of `bytes` bytes was translated as `flow` says.
    fn count(&self, _flow: &Flow<A>, _bytes: usize) {}
    /// `work.flow` was opened.
    fn opened(&self, _entry: Entry, _work: &Work<A>) {}
    /// A packet that was parsed ends here, on its way to `work.frontend.service` if that is not 0.
    fn stopped(&self, _entry: Entry, _headers: &Headers<A>, _reason: Reason) {}
    /// A socket of this host was given a backend of a service port.
    fn socket_opened(&self, _call: &Call<A>, _service: u32, _choice: &Choice<A>) {}
    /// A socket of this host was refused by a service port; 0: by none.
    fn socket_stopped(&self, _call: &Call<A>, _service: u32, _reason: Reason) {}
}
