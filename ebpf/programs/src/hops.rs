//! Next hops that this CPU has asked for lately: one lookup in the routing table serves many packets.
//!
//! An answer is believed for the rest of the tick in which it was given, and only as long as nobody says that
//! routes, neighbours or devices have changed: the agent counts such news in `route_epoch`. While that is 0 nothing
//! is remembered: no agent has looked yet, or an answer depends on more than what is compared here (policy rules,
//! routes with several next hops).

use aya_ebpf::{
    bindings::{bpf_fib_lookup, bpf_redir_neigh},
    maps::PerCpuArray,
};
use tidegate_abi::{FlowKey, Ip4, Ip6};

use crate::maps::{HOPS4, HOPS6, ROUTE_EPOCH, VIA};

/// Entries of each family and CPU; the pair of addresses says which one is used.
pub(crate) const HOPS: u32 = 1 << BITS;
const BITS: u32 = 10;

/// What was asked, when, and the answer.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Hop<A> {
    src: A,
    dst: A,
    /// The device at which the packet entered.
    device: u32,
    tick: u32,
    epoch: u32,
    /// Packets of up to so many bytes pass.
    mtu: u32,
    found: Found,
}

/// The answer.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) device: u32,
    /// Destination and source Ethernet address.
    pub(crate) macs: [u32; 3],
    via: [u32; VIA_WORDS],
}

/// `bpf_redir_neigh` in words.
pub(crate) const VIA_WORDS: usize = size_of::<bpf_redir_neigh>() / 4;

/// Addresses that hops are remembered for.
pub(crate) trait Pair: Copy + Eq + 'static {
    const HOPS: &'static PerCpuArray<Hop<Self>>;
    /// Which entry a pair of addresses has.
    fn mix(src: Self, dst: Self) -> u32;
}

const ODD: u32 = 0x9e37_79b1;

#[inline(always)]
fn mix(src: u32, dst: u32) -> u32 {
    // Twice, so that neighbours of either kind, and exchanged ones, do not meet.
    (src.wrapping_mul(ODD) ^ dst).wrapping_mul(ODD) >> (32 - BITS)
}

impl Pair for Ip4 {
    const HOPS: &'static PerCpuArray<Hop<Self>> = &HOPS4;

    #[inline(always)]
    fn mix(src: Self, dst: Self) -> u32 {
        mix(src.be32(), dst.be32())
    }
}

impl Pair for Ip6 {
    const HOPS: &'static PerCpuArray<Hop<Self>> = &HOPS6;

    #[inline(always)]
    fn mix(src: Self, dst: Self) -> u32 {
        let fold =
            |[a, b, c, d]: [u32; 4]| a.rotate_left(3) ^ b.rotate_left(9) ^ c.rotate_left(15) ^ d;
        mix(fold(src.be32()), fold(dst.be32()))
    }
}

/// The epoch of the routing table; 0: nothing is to be remembered.
#[inline(always)]
pub(crate) fn epoch() -> u32 {
    // SAFETY: an entry of an array; volatile, since the agent writes it.
    ROUTE_EPOCH
        .get_ptr(0)
        .map_or(0, |it| unsafe { it.read_volatile() })
}

/// The entry of a pair of addresses.
#[inline(always)]
pub(crate) fn entry<A: Pair>(key: &FlowKey<A>) -> Option<*mut Hop<A>> {
    A::HOPS.get_ptr_mut(A::mix(key.src, key.dst))
}

/// What is remembered for a packet of `len` bytes with this tuple that entered at `device`.
///
/// # Safety
/// `at` comes from [`entry`], in the same run of the program.
#[inline(always)]
pub(crate) unsafe fn recall<A: Pair>(
    at: *mut Hop<A>,
    key: &FlowKey<A>,
    device: u32,
    len: u32,
    [tick, epoch]: [u32; 2],
) -> Option<&'static Found> {
    // SAFETY: this CPU's entry, which nobody else writes while the program runs.
    let hop = unsafe { &*at };
    let is_it = epoch != 0
        && hop.epoch == epoch
        && hop.tick == tick
        && hop.device == device
        && hop.src == key.src
        && hop.dst == key.dst
        && len <= hop.mtu;
    if !is_it {
        return None;
    }
    go_via(hop.found.via);
    Some(&hop.found)
}

/// Remembers what a lookup with success has left behind.
///
/// # Safety
/// As [`recall`].
#[inline(always)]
pub(crate) unsafe fn remember<A: Pair>(
    at: *mut Hop<A>,
    key: &FlowKey<A>,
    device: u32,
    [tick, epoch]: [u32; 2],
    found: &bpf_fib_lookup,
    macs: [u32; 3],
) {
    // SAFETY: this CPU's entry, which nobody else uses while the program runs.
    let hop = unsafe { &mut *at };
    (hop.src, hop.dst, hop.device) = (key.src, key.dst, device);
    (hop.tick, hop.epoch) = (tick, epoch);
    // Before Linux 5.12 the length of the packet stays there: then it is that one that is known to pass.
    // SAFETY: a union of plain integers, which the helper has filled.
    hop.mtu = u32::from(unsafe { found.__bindgen_anon_1.mtu_result });
    hop.found = Found {
        device: found.ifindex,
        macs,
        via: via(found),
    };
}

/// The next hop that a lookup has found, as `bpf_redirect_neigh` wants it (Linux 5.10).
#[inline(always)]
pub(crate) fn via(found: &bpf_fib_lookup) -> [u32; VIA_WORDS] {
    // An IPv4 route may lead by an IPv6 neighbour (RFC 5549): the family is the next hop's. IPv4 has its address in
    // the first word.
    // SAFETY: a union of plain integers, which the helper has filled.
    let [a, b, c, d] = unsafe { found.__bindgen_anon_4.ipv6_dst };
    [u32::from(found.family), a, b, c, d]
}

/// Says by which neighbour the packet in hand leaves, if it does by [`tidegate_datapath::Door::Neighbour`].
#[inline(always)]
pub(crate) fn go_via(via: [u32; VIA_WORDS]) {
    if let Some(room) = VIA.get_ptr_mut(0) {
        // SAFETY: this CPU's entry, which nobody else uses while the program runs.
        unsafe { *room = via };
    }
}
