//! [`Tables`] over the maps: the only map references.
//!
//! An entry may be reused by another CPU while it is read. Values are therefore copied out at once, and
//! a torn copy is harmless: a flow record is written whole when it is made, and later only in fields of
//! one word, each of which is valid beside the others' old or new value.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_NOEXIST},
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, lpm_trie},
};
use tidegate_abi::{
    Address, Affinity, AffinityKey, Backend, BackendId, Device, Flow, FlowKey, Fragment,
    FragmentKey, Frontend, FrontendKey, Ip4, Ip6, LocalPod, Reason, Settings, SocketKey,
    SocketPeer, SourceRangeKey, Traffic,
    flow::flags::{REPLY, SETTLED},
};
use tidegate_datapath::{
    Entry, Insert, Tables, Work, parse::Headers, select::Choice, socket::Call,
};

use crate::{
    account::{self, Place},
    maps::{self, Ranged},
};

/// `-EEXIST`.
const EXISTS: i32 = -17;

/// The maps of this machine.
pub(crate) struct Maps;

/// Which maps hold a family's values.
pub(crate) trait Family: Address {
    const FRONTENDS: &'static HashMap<FrontendKey<Self>, Frontend>;
    const BACKENDS: &'static Array<Backend<Self>>;
    /// Flows that are settled.
    const FLOWS: &'static LruHashMap<FlowKey<Self>, Flow<Self>>;
    /// All others. A record is in one of the two, but for the moment in which it moves.
    const OPENING: &'static LruHashMap<FlowKey<Self>, Flow<Self>>;
    const AFFINITY: &'static LruHashMap<AffinityKey<Self>, Affinity>;
    const FRAGMENTS: &'static LruHashMap<FragmentKey<Self>, Fragment>;
    const SOURCE_RANGES: &'static LpmTrie<Ranged<Self>, u32>;
    const LOCAL_PODS: &'static HashMap<Self, LocalPod>;
    const SOCKETS: &'static LruHashMap<SocketKey<Self>, SocketPeer<Self>>;
    const WORK: &'static PerCpuArray<Work<Self>>;
    const BACKEND_TRAFFIC: &'static PerCpuArray<Traffic>;
    const OWN_FLOW: &'static PerCpuArray<Flow<Self>>;

    /// Looks a flow up.
    fn find_flow(key: &FlowKey<Self>) -> Option<*const Flow<Self>>;
}

impl Family for Ip4 {
    const FRONTENDS: &'static HashMap<FrontendKey<Self>, Frontend> = &maps::FRONTENDS4;
    const BACKENDS: &'static Array<Backend<Self>> = &maps::BACKENDS4;
    const FLOWS: &'static LruHashMap<FlowKey<Self>, Flow<Self>> = &maps::FLOWS4;
    const OPENING: &'static LruHashMap<FlowKey<Self>, Flow<Self>> = &maps::OPENING4;
    const AFFINITY: &'static LruHashMap<AffinityKey<Self>, Affinity> = &maps::AFFINITY4;
    const FRAGMENTS: &'static LruHashMap<FragmentKey<Self>, Fragment> = &maps::FRAGMENTS4;
    const SOURCE_RANGES: &'static LpmTrie<Ranged<Self>, u32> = &maps::SOURCE_RANGES4;
    const LOCAL_PODS: &'static HashMap<Self, LocalPod> = &maps::LOCAL_PODS4;
    const SOCKETS: &'static LruHashMap<SocketKey<Self>, SocketPeer<Self>> = &maps::SOCKETS4;
    const WORK: &'static PerCpuArray<Work<Self>> = &maps::WORK4;
    const BACKEND_TRAFFIC: &'static PerCpuArray<Traffic> = &maps::BACKEND_TRAFFIC4;
    const OWN_FLOW: &'static PerCpuArray<Flow<Self>> = &maps::OWN_FLOW4;

    #[inline(always)]
    fn find_flow(key: &FlowKey<Self>) -> Option<*const Flow<Self>> {
        let [ports, proto] = ports_and_proto(key);
        let words = [key.src.be32(), key.dst.be32(), ports, proto];
        // SAFETY: the key's bytes in the key's order, aligned as the key is.
        Self::FLOWS.get_ptr(unsafe { &*(&raw const words).cast::<FlowKey<Self>>() })
    }
}

impl Family for Ip6 {
    const FRONTENDS: &'static HashMap<FrontendKey<Self>, Frontend> = &maps::FRONTENDS6;
    const BACKENDS: &'static Array<Backend<Self>> = &maps::BACKENDS6;
    const FLOWS: &'static LruHashMap<FlowKey<Self>, Flow<Self>> = &maps::FLOWS6;
    const OPENING: &'static LruHashMap<FlowKey<Self>, Flow<Self>> = &maps::OPENING6;
    const AFFINITY: &'static LruHashMap<AffinityKey<Self>, Affinity> = &maps::AFFINITY6;
    const FRAGMENTS: &'static LruHashMap<FragmentKey<Self>, Fragment> = &maps::FRAGMENTS6;
    const SOURCE_RANGES: &'static LpmTrie<Ranged<Self>, u32> = &maps::SOURCE_RANGES6;
    const LOCAL_PODS: &'static HashMap<Self, LocalPod> = &maps::LOCAL_PODS6;
    const SOCKETS: &'static LruHashMap<SocketKey<Self>, SocketPeer<Self>> = &maps::SOCKETS6;
    const WORK: &'static PerCpuArray<Work<Self>> = &maps::WORK6;
    const BACKEND_TRAFFIC: &'static PerCpuArray<Traffic> = &maps::BACKEND_TRAFFIC6;
    const OWN_FLOW: &'static PerCpuArray<Flow<Self>> = &maps::OWN_FLOW6;

    // As it is: the stack has no room for a second one.
    #[inline(always)]
    fn find_flow(key: &FlowKey<Self>) -> Option<*const Flow<Self>> {
        Self::FLOWS.get_ptr(key)
    }
}

/// Copies a map value.
#[inline(always)]
fn copy<T: Copy>(pointer: Option<*const T>) -> Option<T> {
    // SAFETY: a pointer that a lookup returned stays readable while the program runs (RCU).
    pointer.map(|value| unsafe { *value })
}

/// Reads a value word by word, each once. Left to itself the compiler calls a loop that copies bytes, and whoever
/// then reads a word of them waits until the processor has put its bytes together.
///
/// # Safety
/// The value is readable; another CPU may write it meanwhile.
#[inline(always)]
pub(crate) unsafe fn in_words<T: Copy>(from: *const T) -> T {
    const { assert!(size_of::<T>().is_multiple_of(4) && align_of::<T>() >= 4) };
    let mut value = MaybeUninit::<T>::uninit();
    let (from, to) = (from.cast::<u32>(), value.as_mut_ptr().cast::<u32>());
    let mut i = 0;
    while i < size_of::<T>() / 4 {
        // SAFETY: a word of the value that the caller vouches for, and the same one of ours.
        unsafe { to.add(i).write(from.add(i).read_volatile()) };
        i = i.wrapping_add(1);
    }
    // SAFETY: every word has been written, and every value that maps hold is valid as any bytes.
    unsafe { value.assume_init() }
}

/// A flow's key as whole words: the kernel hashes words, and would wait for those that were written in parts.
#[inline(always)]
fn ports_and_proto<A>(key: &FlowKey<A>) -> [u32; 2] {
    let ([a, b], [c, d]) = (
        key.src_port.be16().to_ne_bytes(),
        key.dst_port.be16().to_ne_bytes(),
    );
    [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([key.proto.0, 0, 0, 0]),
    ]
}

#[inline(always)]
fn settings() -> Option<&'static Settings> {
    maps::SETTINGS.get(0)
}

/// One lookup among the source ranges: not zero when one of them holds the client. A function of its
/// own: the key has left the stack again when the journey goes on.
#[inline(never)]
fn is_admitted<A: Family>(service: u32, client: &A) -> u32 {
    let key = SourceRangeKey::of_client(service, *client);
    // SAFETY: the same three values in the same order without padding, see `tidegate_abi::source_range`.
    let key = unsafe { &*(&raw const key).cast::<lpm_trie::Key<Ranged<A>>>() };
    u32::from(A::SOURCE_RANGES.get(key).is_some())
}

/// A record, wherever it is, to be written to.
#[inline(always)]
fn record<A: Family>(key: &FlowKey<A>) -> Option<*mut Flow<A>> {
    match A::FLOWS.get_ptr_mut(key) {
        None => A::OPENING.get_ptr_mut(key),
        found => found,
    }
}

/// What [`Tables::own_flow`] does for a flow that is not settled; 0: there is none. A function of its own: behind it
/// the verifier does not tell the two kinds of record apart.
#[inline(never)]
fn own_opening<A: Family>(key: &FlowKey<A>) -> u32 {
    let (Some(flow), Some(own)) = (A::OPENING.get_ptr(key), A::OWN_FLOW.get_ptr_mut(0)) else {
        return 0;
    };
    // SAFETY: as there.
    unsafe { own.write(in_words(flow)) };
    1
}

/// Adds the record of a new flow if there is none: 0, or what the kernel says. Who moves a record adds it here
/// before it is removed there, so the second look finds what the first one missed.
#[inline(never)]
fn add<A: Family>(key: &FlowKey<A>, flow: &Flow<A>) -> i32 {
    if let Err(error) = A::OPENING.insert(key, flow, u64::from(BPF_NOEXIST)) {
        return error;
    }
    if A::FLOWS.get_ptr(key).is_none() {
        return 0;
    }
    let _there: Result<(), i32> = A::OPENING.remove(key);
    EXISTS
}

/// Puts a record where it belongs, and takes it away from where it does not; 0: there is no room.
#[inline(never)]
fn put<A: Family>(key: &FlowKey<A>, flow: &Flow<A>) -> u32 {
    if flow.flags & SETTLED != 0 {
        if A::FLOWS.insert(key, flow, u64::from(BPF_ANY)).is_err() {
            return 0;
        }
        let _absent: Result<(), i32> = A::OPENING.remove(key);
        return 1;
    }
    if A::OPENING.insert(key, flow, u64::from(BPF_ANY)).is_err() {
        return 0;
    }
    if A::FLOWS.get_ptr(key).is_some() {
        let _there: Result<(), i32> = A::FLOWS.remove(key);
    }
    1
}

/// The tuple of a socket, as far as it is known before it has a source.
#[inline(always)]
fn dialled<A: Family>(call: &Call<A>) -> FlowKey<A> {
    FlowKey {
        dst: call.addr,
        dst_port: call.port,
        proto: call.proto,
        ..FlowKey::default()
    }
}

impl<A: Family> Tables<A> for Maps {
    type Own = &'static Flow<A>;

    #[inline(always)]
    fn own_flow(&self, key: &FlowKey<A>) -> Option<&'static Flow<A>> {
        let own = A::OWN_FLOW.get_ptr_mut(0)?;
        match A::find_flow(key) {
            // SAFETY: the record stays readable while the program runs (RCU); ours is the entry of this CPU, which
            // nobody else uses meanwhile, and which is written once a packet.
            Some(flow) => unsafe { own.write(in_words(flow)) },
            None if own_opening(key) == 0 => return None,
            None => {}
        }
        // SAFETY: as above.
        Some(unsafe { &*own })
    }

    #[inline(always)]
    fn flow(&self, key: &FlowKey<A>) -> Option<Flow<A>> {
        match copy(A::find_flow(key)) {
            None => copy(A::OPENING.get_ptr(key)),
            found => found,
        }
    }

    #[inline(always)]
    fn add_flow(&self, key: &FlowKey<A>, flow: &Flow<A>) -> Insert {
        match add(key, flow) {
            0 => Insert::Done,
            EXISTS => Insert::Exists,
            _ => Insert::Full,
        }
    }

    #[inline(always)]
    fn put_flow(&self, key: &FlowKey<A>, flow: &Flow<A>) -> bool {
        put(key, flow) != 0
    }

    #[inline(always)]
    fn touch_flow(&self, key: &FlowKey<A>, tick: u32) {
        if let Some(flow) = record::<A>(key) {
            // SAFETY: as in `copy`; one aligned word, any order of writers leaves a recent tick.
            unsafe { (*flow).seen = tick };
        }
    }

    #[inline(always)]
    fn set_flow_state(&self, key: &FlowKey<A>, state: u16) {
        if let Some(flow) = record::<A>(key) {
            // SAFETY: as in `copy`; one aligned half-word.
            unsafe { (*flow).state = state };
        }
    }

    #[inline(always)]
    fn void_flow(&self, key: &FlowKey<A>) {
        if let Some(flow) = record::<A>(key) {
            // SAFETY: as in `copy`; whoever reads half of it sends one packet of a flow that has no other end.
            unsafe { (*flow).dst = A::default() };
        }
    }

    #[inline(always)]
    fn remove_flow(&self, key: &FlowKey<A>) {
        if A::FLOWS.remove(key).is_err() {
            let _absent: Result<(), i32> = A::OPENING.remove(key);
        }
    }

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey<A>) -> Option<Fragment> {
        copy(A::FRAGMENTS.get_ptr(key))
    }

    #[inline(always)]
    fn put_fragment(&self, key: &FragmentKey<A>, record: &Fragment) {
        let _full: Result<(), i32> = A::FRAGMENTS.insert(key, record, u64::from(BPF_ANY));
    }

    #[inline(always)]
    fn set_fragment_fate(&self, key: &FragmentKey<A>, fate: u8) {
        if let Some(record) = A::FRAGMENTS.get_ptr_mut(key) {
            // SAFETY: as in `copy`; one byte.
            unsafe { (*record).fate = fate };
        }
    }

    #[inline(always)]
    fn set_fragment_held(&self, key: &FragmentKey<A>, held: u16) {
        if let Some(record) = A::FRAGMENTS.get_ptr_mut(key) {
            // SAFETY: as in `copy`; one aligned half-word.
            unsafe { (*record).held = held };
        }
    }

    #[inline(always)]
    fn frontend(&self, key: &FrontendKey<A>) -> Option<Frontend> {
        copy(A::FRONTENDS.get_ptr(key))
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<BackendId> {
        copy(maps::SLOTS.get_ptr(index)).map(BackendId)
    }

    #[inline(always)]
    fn backend(&self, id: BackendId) -> Option<Backend<A>> {
        copy(A::BACKENDS.get_ptr(id.0))
    }

    #[inline(always)]
    fn admits(&self, service: u32, client: A) -> bool {
        is_admitted(service, &client) != 0
    }

    #[inline(always)]
    fn affinity(&self, key: &AffinityKey<A>) -> Option<Affinity> {
        copy(A::AFFINITY.get_ptr(key))
    }

    #[inline(always)]
    fn put_affinity(&self, key: &AffinityKey<A>, record: &Affinity) {
        let _full: Result<(), i32> = A::AFFINITY.insert(key, record, u64::from(BPF_ANY));
    }

    #[inline(always)]
    fn local_pod(&self, addr: A) -> Option<LocalPod> {
        copy(A::LOCAL_PODS.get_ptr(&addr))
    }

    #[inline(always)]
    fn device(&self, index: u32) -> Option<Device> {
        copy(maps::DEVICES.get_ptr(&index))
    }

    #[inline(always)]
    fn in_service_range(&self, addr: A) -> bool {
        settings().is_some_and(|settings| addr.in_service_range(settings))
    }

    #[inline(always)]
    fn in_pod_range(&self, addr: A) -> bool {
        settings().is_some_and(|settings| addr.in_pod_range(settings))
    }

    #[inline(always)]
    fn node_address(&self) -> A {
        settings().map_or(A::default(), A::of_node)
    }

    #[inline(always)]
    fn masquerade_ports(&self) -> (u16, u16) {
        settings().map_or((0, 0), |settings| {
            (settings.masquerade_min, settings.masquerade_max)
        })
    }

    #[inline(always)]
    fn moved(&self) -> u32 {
        maps::told(&maps::MOVED)
    }

    #[inline(always)]
    fn has_setting(&self, flag: u32) -> bool {
        settings().is_some_and(|settings| settings.flags & flag != 0)
    }

    #[inline(always)]
    fn socket_peer(&self, key: &SocketKey<A>) -> Option<SocketPeer<A>> {
        copy(A::SOCKETS.get_ptr(key))
    }

    #[inline(always)]
    fn with_work<R>(&self, headers: &Headers<A>, run: impl FnOnce(&mut Work<A>) -> R) -> Option<R> {
        let mut work = A::WORK.get_ptr_mut(0)?;
        // SAFETY: the entry of this CPU, which nobody else uses while the program runs.
        unsafe { (*work).headers = *headers };
        // From here on the compiler reads the headers back from memory. The verifier then knows nothing
        // of them but their types, and need not walk what follows once for each header length.
        // SAFETY: a move to itself; the register keeps its value.
        unsafe { core::arch::asm!("{0} = {0}", inout(reg) work, options(nostack)) };
        // SAFETY: as above.
        Some(run(unsafe { &mut *work }))
    }

    #[inline(always)]
    fn resume_work<R>(&self, run: impl FnOnce(&mut Work<A>) -> R) -> Option<R> {
        let work = A::WORK.get_ptr_mut(0)?;
        // SAFETY: the entry of this CPU, which nobody else uses while the program runs.
        Some(run(unsafe { &mut *work }))
    }

    #[inline(always)]
    fn settle(&self, work: &mut Work<A>) {
        // As above: the values are stored here and read again.
        // SAFETY: nothing happens; the compiler must take it that `work` was read and written.
        unsafe { core::arch::asm!("{0} = {0}", inout(reg) &raw mut *work => _, options(nostack)) };
    }

    #[inline(always)]
    fn put_socket_peer(&self, key: &SocketKey<A>, peer: &SocketPeer<A>) {
        // Lost at worst: the application then sees the backend as its peer.
        let _full: Result<(), i32> = A::SOCKETS.insert(key, peer, u64::from(BPF_ANY));
    }

    #[inline(always)]
    fn count(&self, flow: &Flow<A>, bytes: usize) {
        let is_reply = u32::from(flow.flags & REPLY);
        account::translated::<A>(flow.service, flow.backend, is_reply, bytes as u64);
    }

    #[inline(always)]
    fn opened(&self, entry: Entry, work: &Work<A>) {
        let Work { headers, flow, .. } = work;
        if flow.service == 0 {
            return;
        }
        account::opened::<A>(flow.service, flow.backend);
        let place = Place {
            reason: Reason::NewFlow,
            device: entry.device,
            service: flow.service,
            len: headers.ip_len,
        };
        account::report(&headers.key, Some(flow), &place);
    }

    #[inline(always)]
    fn stopped(&self, entry: Entry, headers: &Headers<A>, reason: Reason) {
        let service = A::WORK
            .get_ptr(0)
            // SAFETY: the entry of this CPU, which nobody else uses while the program runs.
            .map_or(0, |work| unsafe { (*work).frontend.service });
        if service != 0 {
            account::refused(service);
        }
        let place = Place {
            reason,
            device: entry.device,
            service,
            len: headers.ip_len,
        };
        account::report(&headers.key, None, &place);
    }

    #[inline(always)]
    fn socket_opened(&self, call: &Call<A>, service: u32, choice: &Choice<A>) {
        account::opened::<A>(service, choice.id.0);
        let place = Place {
            reason: Reason::SocketTranslated,
            device: 0,
            service,
            len: 0,
        };
        let flow = Flow {
            dst: choice.backend.addr,
            dst_port: choice.backend.port,
            backend: choice.id.0,
            ..Flow::default()
        };
        account::report(&dialled(call), Some(&flow), &place);
    }

    #[inline(always)]
    fn socket_stopped(&self, call: &Call<A>, service: u32, _reason: Reason) {
        if service != 0 {
            account::refused(service);
        }
        let place = Place {
            reason: Reason::SocketRefused,
            device: 0,
            service,
            len: 0,
        };
        account::report(&dialled(call), None, &place);
    }
}
