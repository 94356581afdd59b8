//! Removes old flows on behalf of the agent, which runs this program itself (`BPF_PROG_TEST_RUN`).
//!
//! The "packet" is an Ethernet header, whose type says the family, and flow keys end to end.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::{
    EbpfContext as _, bindings::__sk_buff, helpers::generated::bpf_skb_load_bytes,
    macros::classifier, programs::TcContext,
};
use tidegate_abi::{FlowKey, Ip4, Ip6, maps::SWEEP_MOST};
use tidegate_datapath::{
    Clock as _,
    parse::{self, ETHERNET, Network},
    sweep,
};

use crate::{
    packet::Skb,
    tables::{Family, Maps},
    world::Kernel,
};

/// Returns how many flows were removed.
#[classifier]
pub(crate) fn tc_sweep(ctx: TcContext) -> i32 {
    let skb = ctx.as_ptr().cast();
    match parse::link(&Skb(skb)) {
        Ok(link) => match link.network {
            Network::V4 => run::<Ip4>(skb),
            Network::V6 => run::<Ip6>(skb),
        },
        Err(_) => 0,
    }
}

#[inline(never)]
fn run<A: Family>(skb: *mut __sk_buff) -> i32 {
    let now = Kernel(skb.cast()).tick();
    let mut removed = 0i32;
    for index in 0..SWEEP_MOST {
        let at = ETHERNET as u32 + index.wrapping_mul(size_of::<FlowKey<A>>() as u32);
        let mut key = MaybeUninit::<FlowKey<A>>::uninit();
        let to = key.as_mut_ptr().cast::<c_void>();
        // SAFETY: the helper fills the key, or says that the packet ends before.
        let key = unsafe {
            if bpf_skb_load_bytes(skb.cast(), at, to, size_of::<FlowKey<A>>() as u32) != 0 {
                break;
            }
            key.assume_init_ref()
        };
        removed = removed.wrapping_add(i32::from(sweep::remove(&Maps, key, now)));
    }
    removed
}
