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
use tidegate_abi::{FlowKey, Ip4, Ip6, device::flags::ETHERNET};

use crate::{
    maps::{self, HOPS4, HOPS6, ROUTE_EPOCH},
    tables::in_words,
};

/// Entries of each family and CPU; the pair of addresses says which one is used.
pub(crate) const HOPS: u32 = 1 << BITS;
const BITS: u32 = 10;

/// No tick that is still to come.
const NEVER: u32 = u32::MAX;

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
    /// Whether the link of the way is an Ethernet link.
    pub(crate) is_ethernet: u32,
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
    maps::told(&ROUTE_EPOCH)
}

/// The entry of a pair of addresses.
#[inline(always)]
pub(crate) fn entry<A: Pair>(key: &FlowKey<A>) -> Option<*mut Hop<A>> {
    A::HOPS.get_ptr_mut(A::mix(key.src, key.dst))
}

impl<A: Pair> Hop<A> {
    /// Whether this is about the question.
    #[inline(always)]
    pub(crate) fn answers(&self, key: &FlowKey<A>, device: u32, len: u32) -> bool {
        self.src == key.src && self.dst == key.dst && self.device == device && len <= self.mtu
    }

    /// Whether the answer is still believed.
    #[inline(always)]
    pub(crate) fn is_fresh(&self, tick: u32, epoch: u32) -> bool {
        epoch != 0 && self.epoch == epoch && self.tick == tick
    }

    /// Notes the question before it is asked: news that comes meanwhile is for the answer, too.
    #[inline(always)]
    pub(crate) fn ask(&mut self, key: &FlowKey<A>, device: u32, epoch: u32) {
        (self.src, self.dst, self.device) = (key.src, key.dst, device);
        (self.epoch, self.tick) = (epoch, NEVER);
    }

    /// Remembers what a lookup with success has left behind.
    #[inline(always)]
    pub(crate) fn remember(&mut self, found: &bpf_fib_lookup, way: &Way, tick: u32) {
        // Before Linux 5.12 the length of the packet stays there: then it is that one that is known to pass.
        // SAFETY: a union of plain integers, which the helper has filled.
        self.mtu = u32::from(unsafe { found.__bindgen_anon_1.mtu_result });
        way.copy_to(&mut self.way);
        self.is_ethernet = match maps::DEVICES.get_ptr(&way.device) {
            // SAFETY: the entry stays readable while the program runs (RCU).
            Some(device) => unsafe { (*device).flags & ETHERNET },
            None => 0,
        };
        self.tick = tick;
    }
}

impl Way {
    /// Word by word: left to itself the compiler calls a function that copies bytes.
    #[inline(always)]
    pub(crate) fn copy_to(&self, other: &mut Self) {
        // SAFETY: a value that is readable and whole.
        *other = unsafe { in_words(self) };
    }

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
