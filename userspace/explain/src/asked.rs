//! What a journey asked, and what it would have written.

use tidegate_abi::{
    Affinity, AffinityKey, Backend, BackendId, Device, Flow, FlowKey, Fragment, FragmentKey,
    Frontend, FrontendKey, LocalPod, SocketKey, SocketPeer,
};
use tidegate_datapath::Route;

/// One question with its answer, or one write.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "the questions are those of `Tables` and `World`"
)]
pub enum Asked<A> {
    Flow(FlowKey<A>, Option<Flow<A>>),
    Fragment(FragmentKey<A>, Option<Fragment>),
    Frontend(FrontendKey<A>, Option<Frontend>),
    Slot(u32, Option<BackendId>),
    Backend(BackendId, Option<Backend<A>>),
    Admits(u32, A, bool),
    Affinity(AffinityKey<A>, Option<Affinity>),
    LocalPod(A, Option<LocalPod>),
    Device(u32, Option<Device>),
    SocketPeer(SocketKey<A>, Option<SocketPeer<A>>),
    Route(FlowKey<A>, u32, Route),
    SocketAnswers(FlowKey<A>, bool),
    /// May one more packet be answered? Here always.
    MayAnswer,
    /// A random number was drawn: the program would draw another.
    Random,

    /// A record was added where there was none.
    FlowAdded(FlowKey<A>, Flow<A>),
    /// There was a record already.
    FlowExists(FlowKey<A>),
    FlowPut(FlowKey<A>, Flow<A>),
    FlowTouched(FlowKey<A>),
    FlowMoved(FlowKey<A>, u16),
    FlowVoided(FlowKey<A>),
    FlowRemoved(FlowKey<A>),
    FragmentPut(FragmentKey<A>, Fragment),
    AffinityPut(AffinityKey<A>, Affinity),
    SocketPeerPut(SocketKey<A>, SocketPeer<A>),
}

impl<A> Asked<A> {
    /// Whether the program would have changed something.
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            Self::Random
                | Self::FlowAdded(..)
                | Self::FlowPut(..)
                | Self::FlowTouched(_)
                | Self::FlowMoved(..)
                | Self::FlowVoided(_)
                | Self::FlowRemoved(_)
                | Self::FragmentPut(..)
                | Self::AffinityPut(..)
                | Self::SocketPeerPut(..)
        )
    }

    /// Whether it found something that is worth less with every tick.
    pub fn has_an_age(&self) -> bool {
        matches!(
            self,
            Self::Flow(_, Some(_)) | Self::Fragment(_, Some(_)) | Self::Affinity(_, Some(_))
        )
    }
}
