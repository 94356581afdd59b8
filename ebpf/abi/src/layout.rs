//! Sizes and alignments, frozen: changing a line here means bumping [`crate::ABI_VERSION`].

use crate::{
    Affinity, AffinityKey, Backend, Counter, Device, Event, EventFilter, Flow, FlowKey, Fragment,
    FragmentKey, Frontend, FrontendKey, Held, HeldKey, Ip4, Ip6, LocalPod, Settings, SocketKey,
    SocketPeer, SourceRangeKey, Traffic, settings::Frozen,
};

macro_rules! frozen {
    ($($kind:ty: $size:literal, $align:literal;)+) => {$(
        const _: () = assert!(size_of::<$kind>() == $size && align_of::<$kind>() == $align);
    )+};
}

frozen! {
    FlowKey<Ip4>: 16, 4;
    FlowKey<Ip6>: 40, 4;
    Flow<Ip4>: 40, 4;
    Flow<Ip6>: 64, 4;
    FrontendKey<Ip4>: 8, 4;
    FrontendKey<Ip6>: 20, 4;
    Frontend: 28, 4;
    Backend<Ip4>: 12, 4;
    Backend<Ip6>: 24, 4;
    Device: 24, 4;
    LocalPod: 16, 4;
    Settings: 348, 4;
    SocketKey<Ip4>: 16, 4;
    SocketKey<Ip6>: 28, 4;
    SocketPeer<Ip4>: 16, 4;
    SocketPeer<Ip6>: 28, 4;
    AffinityKey<Ip4>: 8, 4;
    AffinityKey<Ip6>: 20, 4;
    Affinity: 16, 8;
    SourceRangeKey<Ip4>: 12, 4;
    SourceRangeKey<Ip6>: 24, 4;
    FragmentKey<Ip4>: 16, 4;
    FragmentKey<Ip6>: 40, 4;
    Fragment: 16, 4;
    HeldKey: 8, 4;
    Held: 2052, 4;
    Counter: 16, 8;
    Traffic: 48, 8;
    Event: 104, 8;
    EventFilter: 48, 8;
    Frozen: 24, 8;
}
