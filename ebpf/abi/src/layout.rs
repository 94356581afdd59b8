//! Sizes and alignments, frozen: changing a line here means bumping [`crate::ABI_VERSION`].

use crate::{
    Backend, Counter, Device, Event, Flow, FlowKey, Frontend, FrontendKey, Ip4, Ip6, LocalPod,
    Settings, SocketKey, SocketPeer, settings::Frozen,
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
    Settings: 188, 4;
    SocketKey<Ip4>: 16, 4;
    SocketKey<Ip6>: 28, 4;
    SocketPeer<Ip4>: 16, 4;
    SocketPeer<Ip6>: 28, 4;
    Counter: 16, 8;
    Event: 88, 8;
    Frozen: 16, 8;
}
