//! [`World`] over helpers: time, the routing table, sockets.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::{
    bindings::{bpf_fib_lookup, bpf_sock, bpf_sock_tuple},
    helpers::generated::{
        bpf_fib_lookup as fib_lookup, bpf_get_prandom_u32, bpf_jiffies64, bpf_ktime_get_ns,
        bpf_sk_lookup_udp, bpf_sk_release, bpf_skc_lookup_tcp,
    },
};
use tidegate_abi::{Address, FlowKey, Ip4, Ip6, Proto, flow::TICK_SHIFT};
use tidegate_datapath::{Clock, Route, World};

use crate::{
    hops::{self, Pair, Way},
    maps::{ANSWERS, ROUTE, WAY, frozen},
};

/// `bpf_fib_lookup` results (include/uapi/linux/bpf.h).
const SUCCESS: i32 = 0;
const UNREACHABLE: i32 = 2;
const PROHIBITED: i32 = 3;
const NO_NEIGHBOUR: i32 = 7;
const TOO_BIG: i32 = 8;
/// What an IPv6 link must carry, and any other that is worth its name (RFC 8200, section 5).
const MTU_OF_MOST: u32 = 1280;
/// What every IPv4 host must take (RFC 791).
const MTU_LEAST: u32 = 576;
/// None of the helper's results.
const NO_ROOM: i32 = -1;
/// Success, and see [`Route::Via`].
const DIRECT: i32 = -2;
/// `BPF_F_CURRENT_NETNS`: the namespace of the device.
const CURRENT_NETNS: u64 = u64::MAX;

/// The kernel around a packet; the context is an `xdp_md` or a `__sk_buff`.
pub(crate) struct Kernel(pub(crate) *mut c_void);

/// What the helpers' structures call the addresses of a family.
pub(crate) trait Lookup: Address + Pair {
    /// Sets family and addresses.
    fn fill_route(params: &mut bpf_fib_lookup, key: &FlowKey<Self>);
    /// Fills a socket tuple and returns its length.
    fn fill_socket(tuple: &mut bpf_sock_tuple, key: &FlowKey<Self>) -> u32;
}

impl Lookup for Ip4 {
    #[inline(always)]
    fn fill_route(params: &mut bpf_fib_lookup, key: &FlowKey<Self>) {
        params.family = 2;
        params.__bindgen_anon_3.ipv4_src = key.src.be32();
        params.__bindgen_anon_4.ipv4_dst = key.dst.be32();
    }

    #[inline(always)]
    fn fill_socket(tuple: &mut bpf_sock_tuple, key: &FlowKey<Self>) -> u32 {
        // SAFETY: a union of plain integers; every bit pattern is valid.
        let v4 = unsafe { &mut tuple.__bindgen_anon_1.ipv4 };
        (v4.saddr, v4.daddr) = (key.src.be32(), key.dst.be32());
        (v4.sport, v4.dport) = (key.src_port.be16(), key.dst_port.be16());
        12
    }
}

impl Lookup for Ip6 {
    #[inline(always)]
    fn fill_route(params: &mut bpf_fib_lookup, key: &FlowKey<Self>) {
        params.family = 10;
        params.__bindgen_anon_3.ipv6_src = key.src.be32();
        params.__bindgen_anon_4.ipv6_dst = key.dst.be32();
    }

    #[inline(always)]
    fn fill_socket(tuple: &mut bpf_sock_tuple, key: &FlowKey<Self>) -> u32 {
        // SAFETY: a union of plain integers; every bit pattern is valid.
        let v6 = unsafe { &mut tuple.__bindgen_anon_1.ipv6 };
        (v6.saddr, v6.daddr) = (key.src.be32(), key.dst.be32());
        (v6.sport, v6.dport) = (key.src_port.be16(), key.dst_port.be16());
        36
    }
}

/// Answers that one CPU may give in one [`WINDOW_SHIFT`] window: about 7,600 a second.
const ANSWERS_MOST: u32 = 1024;
/// `CLOCK_MONOTONIC` nanoseconds shifted right by this number the windows: 134 ms each.
const WINDOW_SHIFT: u32 = 27;

impl Clock for Kernel {
    #[inline(always)]
    fn now_ns(&self) -> u64 {
        // SAFETY: a helper without arguments.
        unsafe { bpf_ktime_get_ns() }
    }

    /// From the jiffies, which the verifier replaces by one load: reading the clock is one of the dearest things
    /// that a packet can do. They advance with `CLOCK_MONOTONIC`.
    #[inline(always)]
    fn tick(&self) -> u32 {
        let jiffy_ns = frozen!(jiffy_ns);
        if jiffy_ns == 0 {
            return (self.now_ns() >> TICK_SHIFT) as u32;
        }
        // SAFETY: a helper without arguments.
        let since = unsafe { bpf_jiffies64() }.wrapping_sub(frozen!(jiffies_at_zero));
        (since.wrapping_mul(u64::from(jiffy_ns)) >> TICK_SHIFT) as u32
    }
}

impl<A: Lookup> World<A> for Kernel {
    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: a helper without arguments.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn may_answer(&self) -> bool {
        let window = (self.now_ns() >> WINDOW_SHIFT) as u32;
        let Some(answers) = ANSWERS.get_ptr_mut(0) else {
            return false;
        };
        // SAFETY: the entry of this CPU, which nobody else uses while the program runs.
        let [since, count] = unsafe { &mut *answers };
        if *since != window {
            (*since, *count) = (window, 0);
        }
        *count = count.wrapping_add(1);
        *count <= ANSWERS_MOST
    }

    #[inline(always)]
    fn route(&self, device: u32, key: &FlowKey<A>, len: u32) -> Route {
        let result = find_way(self.0, device, len, key);
        let Some(way) = WAY.get(0) else {
            return Route::None;
        };
        match result {
            SUCCESS | DIRECT => Route::Via {
                device: way.device,
                macs: Some(bytes(way.macs)),
                is_direct: result == DIRECT,
            },
            NO_NEIGHBOUR => Route::Via {
                device: way.device,
                macs: None,
                is_direct: false,
            },
            TOO_BIG => match ROUTE.get(0) {
                Some(found) => Route::TooBig {
                    mtu: mtu(found, len),
                },
                None => Route::None,
            },
            UNREACHABLE | PROHIBITED => Route::Unreachable,
            _ => Route::None,
        }
    }

    #[inline(always)]
    fn socket_answers(&self, key: &FlowKey<A>) -> bool {
        ask_sockets(self.0, key) != 0
    }
}

#[inline(always)]
fn bytes(macs: [u32; 3]) -> [u8; 12] {
    let [[a, b, c, d], [e, f, g, h], [i, j, k, l]] = macs.map(u32::to_ne_bytes);
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

/// The MTU that a packet of this length did not fit. Before Linux 5.12 the length stays where newer ones put the
/// MTU: then the sender is told what fits nearly every link.
#[inline(always)]
fn mtu(found: &bpf_fib_lookup, len: u32) -> u32 {
    // SAFETY: a union of plain integers, which the helper has filled.
    match u32::from(unsafe { found.__bindgen_anon_1.mtu_result }) {
        mtu if mtu < len => mtu,
        _ if len > MTU_OF_MOST => MTU_OF_MOST,
        _ => MTU_LEAST,
    }
}

/// The way of a packet, remembered or looked up; it is left in [`WAY`], or what else the lookup says in [`ROUTE`]. A
/// function of its own: behind it the verifier does not tell the two apart, and its parameters have left the stack.
#[inline(never)]
fn find_way<A: Lookup>(ctx: *mut c_void, device: u32, len: u32, key: &FlowKey<A>) -> i32 {
    let (Some(way), Some(at)) = (WAY.get_ptr_mut(0), hops::entry(key)) else {
        return NO_ROOM;
    };
    // SAFETY: this CPU's entries, which nobody else uses while the program runs.
    let (way, hop) = unsafe { (&mut *way, &mut *at) };
    let epoch = hops::epoch();
    if hop.answers(key, device, len) && hop.is_fresh(Kernel(ctx).tick(), epoch) {
        hop.way.copy_to(way);
        return if hop.is_ethernet == 0 {
            SUCCESS
        } else {
            DIRECT
        };
    }
    hop.ask(key, device, epoch);
    let result = ask_fib(ctx, device, len, key);
    let Some(found) = ROUTE.get(0) else {
        return NO_ROOM;
    };
    if result == SUCCESS || result == NO_NEIGHBOUR {
        *way = Way::found(found);
    }
    if result == SUCCESS {
        hop.remember(found, way, Kernel(ctx).tick());
    }
    result
}

/// One lookup in the routing table, which leaves what it found in the map.
#[inline(always)]
fn ask_fib<A: Lookup>(ctx: *mut c_void, device: u32, len: u32, key: &FlowKey<A>) -> i32 {
    // What an earlier lookup left there does not matter: everything that the helper reads is set below. Zeroing
    // it would be a loop over bytes.
    let Some(room) = ROUTE.get_ptr_mut(0) else {
        return NO_ROOM;
    };
    // SAFETY: this CPU's entry, used by nobody else meanwhile; plain integers, any bytes are valid.
    let params: &mut bpf_fib_lookup = unsafe { &mut *room };
    A::fill_route(params, key);
    params.l4_protocol = key.proto.0;
    params.sport = key.src_port.be16();
    params.dport = key.dst_port.be16();
    params.ifindex = device;
    // Left at zero the helper would measure the socket buffer itself, and say "too big".
    params.__bindgen_anon_1.tot_len = len.clamp(1, 0xffff) as u16;
    // No type of service, no flow label, and the table that everybody uses.
    params.__bindgen_anon_2.rt_metric = 0;
    params.__bindgen_anon_5.tbid = 0;
    let size = size_of::<bpf_fib_lookup>() as i32;
    // SAFETY: the context is the program's own, and the length is the structure's.
    unsafe { fib_lookup(ctx, params, size, 0) as i32 }
}

/// One lookup among the sockets: not zero when one would answer. A function of its own, as above.
#[inline(never)]
fn ask_sockets<A: Lookup>(ctx: *mut c_void, key: &FlowKey<A>) -> u32 {
    // SAFETY: a union of plain integers; all zero is valid.
    let mut tuple: bpf_sock_tuple = unsafe { MaybeUninit::zeroed().assume_init() };
    let size = A::fill_socket(&mut tuple, key);
    // SAFETY: the context is the program's own, and the length is the filled variant's.
    let socket: *mut bpf_sock = unsafe {
        if key.proto == Proto::TCP {
            bpf_skc_lookup_tcp(ctx, &raw mut tuple, size, CURRENT_NETNS, 0)
        } else {
            bpf_sk_lookup_udp(ctx, &raw mut tuple, size, CURRENT_NETNS, 0)
        }
    };
    if socket.is_null() {
        return 0;
    }
    // SAFETY: a socket that a lookup returned, released once.
    let _released: i64 = unsafe { bpf_sk_release(socket.cast()) };
    1
}
