//! Answers for the agent what the journey asks of its surroundings (`tidegate explain`), which runs this program
//! itself (`BPF_PROG_TEST_RUN`): so it hears the very words that a packet would. Changes nothing.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::{
    EbpfContext as _, bindings::__sk_buff, helpers::generated::bpf_skb_load_bytes,
    macros::classifier, programs::TcContext,
};
use tidegate_abi::{
    FlowKey, Ip4, Ip6,
    ask::{Told, route},
};
use tidegate_datapath::{
    Packet as _, Route, World,
    parse::{self, ETHERNET, Network},
};

use crate::{
    packet::{HEADERS, Skb},
    tables::Family,
    tc::device,
    world::{Kernel, Lookup},
};

/// Returns 1 when the question was understood.
#[classifier]
pub(crate) fn tc_ask(ctx: TcContext) -> i32 {
    let skb = ctx.as_ptr().cast();
    Skb(skb).make_linear(HEADERS);
    match parse::link(&Skb(skb)) {
        Ok(link) => match link.network {
            Network::V4 => run::<Ip4>(skb),
            Network::V6 => run::<Ip6>(skb),
        },
        Err(_) => 0,
    }
}

#[inline(never)]
fn run<A: Family + Lookup>(skb: *mut __sk_buff) -> i32 {
    let mut key = MaybeUninit::<FlowKey<A>>::uninit();
    let to = key.as_mut_ptr().cast::<c_void>();
    // SAFETY: the helper fills the key, or says that the packet ends before.
    let key = unsafe {
        let len = size_of::<FlowKey<A>>() as u32;
        if bpf_skb_load_bytes(skb.cast(), ETHERNET as u32, to, len) != 0 {
            return 0;
        }
        key.assume_init_ref()
    };
    let mut packet = Skb(skb);
    let Some(len) = packet.load::<4>(ETHERNET + size_of::<FlowKey<A>>()) else {
        return 0;
    };
    let kernel = Kernel(skb.cast());
    let mut told = Told {
        is_answered: u32::from(kernel.socket_answers(key)),
        ..Told::default()
    };
    match kernel.route(device(skb), key, u32::from_ne_bytes(len)) {
        Route::Via { device, macs, .. } => {
            told.device = device;
            told.route = route::SILENT;
            if let Some(macs) = macs {
                told.route = route::KNOWN;
                told.macs = macs;
            }
        }
        Route::TooBig { mtu } => {
            told.route = route::TOO_BIG;
            told.mtu = mtu;
        }
        Route::Unreachable => told.route = route::UNREACHABLE,
        Route::None => {}
    }
    i32::from(tell(&mut packet, &told).is_some())
}

#[inline(always)]
fn tell(packet: &mut Skb, told: &Told) -> Option<()> {
    packet.store(ETHERNET, told.route.to_ne_bytes())?;
    packet.store(ETHERNET + 4, told.device.to_ne_bytes())?;
    packet.store(ETHERNET + 8, told.mtu.to_ne_bytes())?;
    packet.store(ETHERNET + 12, told.is_answered.to_ne_bytes())?;
    packet.store(ETHERNET + 16, told.macs)
}
