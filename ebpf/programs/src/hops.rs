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

use crate::maps::{HOPS4, HOPS6, ROUTE_EPOCH};

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
    pub(crate) way: Way,
}

/// The answer.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) device: u32,
    /// Destination and source Ethernet address.
    pub(crate) macs: [u32; 3],
    /// The next hop as `bpf_redirect_neigh` wants it (Linux 5.10): `struct bpf_redir_neigh`.
    pub(crate) via: [u32; size_of::<bpf_redir_neigh>() / 4],
}

/// The question.
pub(crate) struct Asked<'a, A> {
    pub(crate) key: &'a FlowKey<A>,
    pub(crate) device: u32,
    pub(crate) len: u32,
    pub(crate) tick: u32,
    pub(crate) epoch: u32,
}

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

impl<A: Pair> Hop<A> {
    /// Whether this is the answer.
    #[inline(always)]
    pub(crate) fn recalls(&self, asked: &Asked<'_, A>) -> bool {
        asked.epoch != 0
            && self.epoch == asked.epoch
            && self.tick == asked.tick
            && self.device == asked.device
            && self.src == asked.key.src
            && self.dst == asked.key.dst
            && asked.len <= self.mtu
    }

    /// Remembers what a lookup with success has left behind.
    #[inline(always)]
    pub(crate) fn remember(&mut self, asked: &Asked<'_, A>, found: &bpf_fib_lookup) {
        (self.src, self.dst) = (asked.key.src, asked.key.dst);
        (self.device, self.tick, self.epoch) = (asked.device, asked.tick, asked.epoch);
        // Before Linux 5.12 the length of the packet stays there: then it is that one that is known to pass.
        // SAFETY: a union of plain integers, which the helper has filled.
        self.mtu = u32::from(unsafe { found.__bindgen_anon_1.mtu_result });
        self.way = Way::found(found);
    }
}

impl Way {
    /// What a lookup has found.
    #[inline(always)]
    pub(crate) fn found(found: &bpf_fib_lookup) -> Self {
        // SAFETY: unions of plain integers, which the helper has filled.
        let (macs, [a, b, c, d]) = unsafe {
            let macs = found.__bindgen_anon_6.__bindgen_anon_2;
            (macs, found.__bindgen_anon_4.ipv6_dst)
        };
        Self {
            device: found.ifindex,
            macs: words(macs.dmac, macs.smac),
            // An IPv4 route may lead by an IPv6 neighbour (RFC 5549): the family is the next hop's. IPv4 has its
            // address in the first word.
            via: [u32::from(found.family), a, b, c, d],
        }
    }
}

#[inline(always)]
fn words([a, b, c, d, e, f]: [u8; 6], [g, h, i, j, k, l]: [u8; 6]) -> [u32; 3] {
    [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_ne_bytes)
}
