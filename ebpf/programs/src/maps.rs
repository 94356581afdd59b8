//! The maps. Sizes here are defaults; the loader sets `--flows`.

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, bpf_fib_lookup},
    macros::map,
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, RingBuf},
};
use tidegate_abi::{
    Affinity, AffinityKey, Backend, Counter, Device, EventFilter, Flow, FlowKey, Fragment,
    FragmentKey, Frontend, FrontendKey, Held, HeldKey, Ip4, Ip6, LocalPod, Settings, SocketKey,
    SocketPeer, Traffic, maps as size, reason, settings::Frozen,
};
use tidegate_datapath::Work;

use crate::hops::{HOPS, Hop, Way};

macro_rules! declare {
    ($($symbol:literal $name:ident: $kind:ty = $max:expr, $flags:expr;)+) => {$(
        #[map(name = $symbol)]
        pub(crate) static $name: $kind = <$kind>::with_max_entries($max, $flags);
    )+};
}

declare! {
    "frontends4" FRONTENDS4: HashMap<FrontendKey<Ip4>, Frontend> = size::FRONTENDS_MAX, BPF_F_NO_PREALLOC;
    "frontends6" FRONTENDS6: HashMap<FrontendKey<Ip6>, Frontend> = size::FRONTENDS_MAX, BPF_F_NO_PREALLOC;
    "slots" SLOTS: Array<u32> = size::SLOTS_MAX, 0;
    "backends4" BACKENDS4: Array<Backend<Ip4>> = size::BACKENDS_MAX, 0;
    "backends6" BACKENDS6: Array<Backend<Ip6>> = size::BACKENDS_MAX, 0;
    "flows4" FLOWS4: LruHashMap<FlowKey<Ip4>, Flow<Ip4>> = size::FLOWS_MAX, 0;
    "flows6" FLOWS6: LruHashMap<FlowKey<Ip6>, Flow<Ip6>> = size::FLOWS_MAX, 0;
    "opening_flows4" OPENING4: LruHashMap<FlowKey<Ip4>, Flow<Ip4>> = size::opening(size::FLOWS_MAX), 0;
    "opening_flows6" OPENING6: LruHashMap<FlowKey<Ip6>, Flow<Ip6>> = size::opening(size::FLOWS_MAX), 0;
    "affinity4" AFFINITY4: LruHashMap<AffinityKey<Ip4>, Affinity> = size::AFFINITY_MAX, 0;
    "affinity6" AFFINITY6: LruHashMap<AffinityKey<Ip6>, Affinity> = size::AFFINITY_MAX, 0;
    "source_ranges4" SOURCE_RANGES4: LpmTrie<Ranged<Ip4>, u32> = size::SOURCE_RANGES_MAX, BPF_F_NO_PREALLOC;
    "source_ranges6" SOURCE_RANGES6: LpmTrie<Ranged<Ip6>, u32> = size::SOURCE_RANGES_MAX, BPF_F_NO_PREALLOC;
    "fragments4" FRAGMENTS4: LruHashMap<FragmentKey<Ip4>, Fragment> = size::FRAGMENTS_MAX, 0;
    "fragments6" FRAGMENTS6: LruHashMap<FragmentKey<Ip6>, Fragment> = size::FRAGMENTS_MAX, 0;
    "held_fragments" HELD_FRAGMENTS: LruHashMap<HeldKey, Held> = size::HELD_FRAGMENTS_MAX, 0;
    "local_pods4" LOCAL_PODS4: HashMap<Ip4, LocalPod> = size::LOCAL_PODS_MAX, BPF_F_NO_PREALLOC;
    "local_pods6" LOCAL_PODS6: HashMap<Ip6, LocalPod> = size::LOCAL_PODS_MAX, BPF_F_NO_PREALLOC;
    "sockets4" SOCKETS4: LruHashMap<SocketKey<Ip4>, SocketPeer<Ip4>> = size::SOCKETS_MAX, 0;
    "sockets6" SOCKETS6: LruHashMap<SocketKey<Ip6>, SocketPeer<Ip6>> = size::SOCKETS_MAX, 0;
    "devices" DEVICES: HashMap<u32, Device> = size::DEVICES_MAX, BPF_F_NO_PREALLOC;
    "settings" SETTINGS: Array<Settings> = 1, 0;
    "service_traffic" SERVICE_TRAFFIC: PerCpuArray<Traffic> = size::TRAFFIC_MAX, 0;
    "backend_traffic4" BACKEND_TRAFFIC4: PerCpuArray<Traffic> = size::TRAFFIC_MAX, 0;
    "backend_traffic6" BACKEND_TRAFFIC6: PerCpuArray<Traffic> = size::TRAFFIC_MAX, 0;
    "event_filter" EVENT_FILTER: Array<EventFilter> = 1, 0;
    "counters" COUNTERS: PerCpuArray<Counter> = reason::COUNT as u32, 0;
}

/// What follows the prefix length in a key of the source ranges.
pub(crate) type Ranged<A> = AffinityKey<A>;

/// A frame on its way into or out of `held_fragments`.
#[map(name = "held")]
pub(crate) static HELD: PerCpuArray<Held> = PerCpuArray::with_max_entries(1, 0);

/// What [`crate::account::bare`] tells of: reason, device, length.
#[map(name = "dropped")]
pub(crate) static DROPPED: PerCpuArray<[u32; 3]> = PerCpuArray::with_max_entries(1, 0);

/// How many packets this CPU has answered lately, see [`crate::world`].
#[map(name = "answers")]
pub(crate) static ANSWERS: PerCpuArray<[u32; 2]> = PerCpuArray::with_max_entries(1, 0);

/// What [`tidegate_datapath::Tables::with_work`] lends. Programs that use it never interrupt each other on
/// one CPU: both stages run with bottom halves off.
#[map(name = "work4")]
pub(crate) static WORK4: PerCpuArray<Work<Ip4>> = PerCpuArray::with_max_entries(1, 0);
/// The same for IPv6.
#[map(name = "work6")]
pub(crate) static WORK6: PerCpuArray<Work<Ip6>> = PerCpuArray::with_max_entries(1, 0);

/// The record that translates the packet in hand.
#[map(name = "own_flow4")]
pub(crate) static OWN_FLOW4: PerCpuArray<Flow<Ip4>> = PerCpuArray::with_max_entries(1, 0);
/// The same for IPv6.
#[map(name = "own_flow6")]
pub(crate) static OWN_FLOW6: PerCpuArray<Flow<Ip6>> = PerCpuArray::with_max_entries(1, 0);

/// The parameters of a routing lookup: 64 bytes that the stack can do without.
#[map(name = "route")]
pub(crate) static ROUTE: PerCpuArray<bpf_fib_lookup> = PerCpuArray::with_max_entries(1, 0);

/// Next hops that were found lately, see [`crate::hops`].
#[map(name = "hops4")]
pub(crate) static HOPS4: PerCpuArray<Hop<Ip4>> = PerCpuArray::with_max_entries(HOPS, 0);
/// The same for IPv6.
#[map(name = "hops6")]
pub(crate) static HOPS6: PerCpuArray<Hop<Ip6>> = PerCpuArray::with_max_entries(HOPS, 0);

/// The way of the packet in hand.
#[map(name = "way")]
pub(crate) static WAY: PerCpuArray<Way> = PerCpuArray::with_max_entries(1, 0);

/// How often routes have changed, see [`crate::hops`].
#[map(name = "route_epoch")]
pub(crate) static ROUTE_EPOCH: Array<u32> = Array::with_max_entries(1, 0);

/// When an address was last taken from a Service, see [`tidegate_datapath::Tables::moved`].
#[map(name = "moved")]
pub(crate) static MOVED: Array<u32> = Array::with_max_entries(1, 0);

/// The programs of [`crate::aside`], by family. Pinned: an array that only an agent holds is emptied when the
/// agent ends.
#[map(name = "asides")]
pub(crate) static ASIDES: ProgramArray = ProgramArray::with_max_entries(2, 0);

#[map(name = "events")]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(size::EVENTS_BYTES, 0);

/// Set by the loader before the programs are loaded, read-only ever after.
#[unsafe(no_mangle)]
pub(crate) static FROZEN: Frozen = Frozen {
    netns_cookie: 0,
    jiffies_at_zero: 0,
    jiffy_ns: 0,
    has_set_retval: 0,
};

/// What the agent says in an array of one number.
#[inline(always)]
pub(crate) fn told(array: &Array<u32>) -> u32 {
    array
        .get_ptr(0)
        // SAFETY: the array's own entry; volatile, since the agent writes it while programs run.
        .map_or(0, |it| unsafe { it.read_volatile() })
}

/// One of the frozen globals, as the loader set it. Each is read by itself: of a whole structure the compiler would
/// make a copy, and the verifier would not know what is in it.
macro_rules! frozen {
    ($field:ident) => {
        // SAFETY: a field of a static of our own; volatile, since the compiler would otherwise use the value above.
        unsafe { core::ptr::read_volatile(&raw const $crate::maps::FROZEN.$field) }
    };
}
pub(crate) use frozen;
