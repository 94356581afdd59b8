//! Frames of fragments that wait for the first one of their datagram.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{__sk_buff, BPF_ANY, BPF_F_INGRESS},
    helpers::generated::{
        bpf_clone_redirect, bpf_skb_change_tail, bpf_skb_load_bytes, bpf_skb_store_bytes,
    },
};
use tidegate_abi::{
    Held, HeldKey,
    fragment::{FRAME, HELD_MAX},
};

use crate::{
    maps::{HELD, HELD_FRAGMENTS},
    packet::opaque,
};

/// `BPF_F_RECOMPUTE_CSUM`: the card may have summed the whole packet.
const RECOMPUTE: u64 = 1;
/// No Ethernet frame is shorter than its header and an IP header.
const LEAST: usize = 34;

/// Keeps a copy of the frame; 0: there is no room. Functions of their own: their keys need the stack for
/// a moment only.
#[inline(never)]
pub(crate) fn keep(skb: *mut __sk_buff, place: &HeldKey) -> u32 {
    let Some(room) = HELD.get_ptr_mut(0) else {
        return 0;
    };
    if load(skb, room) == 0 {
        return 0;
    }
    // SAFETY: this CPU's entry, used by nobody else meanwhile.
    let held = unsafe { &*room };
    u32::from(
        HELD_FRAGMENTS
            .insert(place, held, u64::from(BPF_ANY))
            .is_ok(),
    )
}

/// Sends the held frames of a datagram in again; 0: this frame could not be put back as it was.
#[inline(never)]
pub(crate) fn release(skb: *mut __sk_buff, datagram: u32, count: u32) -> u32 {
    let Some(room) = HELD.get_ptr_mut(0) else {
        return 0;
    };
    if load(skb, room) == 0 {
        return 0;
    }
    for index in 0..HELD_MAX {
        if index >= count {
            break;
        }
        let place = HeldKey { datagram, index };
        let Some(held) = HELD_FRAGMENTS.get_ptr(&place) else {
            continue;
        };
        if store(skb, held) != 0 {
            // SAFETY: a helper on the program's own context.
            let _lost: i64 =
                unsafe { bpf_clone_redirect(skb, (*skb).ifindex, u64::from(BPF_F_INGRESS)) };
        }
        let _gone: Result<(), i32> = HELD_FRAGMENTS.remove(&place);
    }
    store(skb, room.cast_const())
}

/// A length that a held frame may have. The verifier has to see both bounds on one register.
#[inline(always)]
fn bounded(len: u32) -> Option<u32> {
    let len = opaque(len as usize);
    if len < LEAST {
        return None;
    }
    if len > FRAME {
        return None;
    }
    Some(opaque(len) as u32)
}

/// Copies the frame out; 0: it is too long.
#[inline(always)]
fn load(skb: *mut __sk_buff, room: *mut Held) -> u32 {
    // SAFETY: the context is valid for as long as the program runs; the room is this CPU's.
    unsafe {
        let Some(len) = bounded((*skb).len) else {
            return 0;
        };
        (*room).len = len;
        let to = (&raw mut (*room).frame).cast::<c_void>();
        u32::from(bpf_skb_load_bytes(skb.cast(), 0, to, len) == 0)
    }
}

/// Makes the packet the held frame; 0: it is not.
#[inline(always)]
fn store(skb: *mut __sk_buff, held: *const Held) -> u32 {
    // SAFETY: a map value that a lookup returned stays readable while the program runs (RCU).
    unsafe {
        let Some(len) = bounded((*held).len) else {
            return 0;
        };
        if bpf_skb_change_tail(skb, len, 0) != 0 {
            return 0;
        }
        let from = (&raw const (*held).frame).cast::<c_void>();
        u32::from(bpf_skb_store_bytes(skb, 0, from, len, RECOMPUTE) == 0)
    }
}
