//! Programs of the benchmarks: they restore a packet, choose its flow, and hand it on; and they count what
//! arrives.
//!
//! `BPF_PROG_TEST_RUN` keeps what a program did to the packet for its next run: a program that translates sees
//! its own output from the second run on. Here a driver writes the packet anew each time, with the addresses
//! of the next flow, and calls the program under test by tail call. The same driver before a program that does
//! nothing is the cost to subtract.
#![no_std]
#![no_main]

mod frame;
mod yardstick;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, xdp_action},
    helpers::generated::{bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer},
    macros::{classifier, map, xdp},
    maps::{Array, PerCpuArray, ProgramArray},
    programs::{TcContext, XdpContext},
};
use frame::{Plan, write};

/// What to write into packets.
#[map(name = "plan")]
static PLAN: Array<Plan> = Array::with_max_entries(1, 0);

/// How many packets this CPU has made.
#[map(name = "made")]
static MADE: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Packets that have arrived.
#[map(name = "arrived")]
static ARRIVED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The XDP program under test.
#[map(name = "xdp_target")]
static XDP_TARGET: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// The tc program under test.
#[map(name = "tc_target")]
static TC_TARGET: ProgramArray = ProgramArray::with_max_entries(1, 0);

const TC_SHOT: i32 = 2;
const TC_NEXT: i32 = -1;

/// Writes the next packet; `None` where it does not fit, or nothing is planned.
#[inline(always)]
fn next(data: usize, data_end: usize) -> Option<u32> {
    let plan = PLAN.get(0)?;
    let made = MADE.get_ptr_mut(0)?;
    // SAFETY: the entry of this CPU, which no other writes.
    let number = unsafe {
        *made = (*made).wrapping_add(1);
        *made
    };
    write(plan, number, data, data_end).then_some(plan.device)
}

/// A packet for the program under test.
#[xdp]
pub(crate) fn drive_xdp(ctx: XdpContext) -> u32 {
    if next(ctx.data(), ctx.data_end()).is_some() {
        // SAFETY: a tail call returns only when it fails.
        unsafe { XDP_TARGET.tail_call(&ctx, 0) };
    }
    xdp_action::XDP_ABORTED
}

/// The same in a socket buffer.
#[classifier]
pub(crate) fn drive_tc(ctx: TcContext) -> i32 {
    if next(ctx.data(), ctx.data_end()).is_some() {
        // SAFETY: a tail call returns only when it fails.
        unsafe { TC_TARGET.tail_call(&ctx, 0) };
    }
    TC_SHOT
}

/// The program under test that does nothing.
#[xdp]
pub(crate) fn nothing_xdp(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// The same for socket buffers.
#[classifier]
pub(crate) fn nothing_tc(_ctx: TcContext) -> i32 {
    TC_SHOT
}

/// A packet that leaves by the planned device.
#[xdp]
pub(crate) fn send(ctx: XdpContext) -> u32 {
    match next(ctx.data(), ctx.data_end()) {
        // SAFETY: a helper on plain numbers.
        Some(device) => unsafe { bpf_redirect(device, 0) as u32 },
        None => xdp_action::XDP_ABORTED,
    }
}

#[inline(always)]
fn arrived() {
    if let Some(count) = ARRIVED.get_ptr_mut(0) {
        // SAFETY: the entry of this CPU, which no other writes.
        unsafe { *count = (*count).wrapping_add(1) };
    }
}

/// Makes a packet its own answer, where those are wanted.
#[inline(always)]
fn answers(data: usize, data_end: usize) -> bool {
    PLAN.get(0)
        .is_some_and(|plan| frame::answer(plan, data, data_end))
}

/// Counts packets where they arrive, and ends or answers them there.
#[classifier]
pub(crate) fn sink_tc(ctx: TcContext) -> i32 {
    // ARP and the like go on.
    if ctx.len() < 60 {
        return TC_NEXT;
    }
    arrived();
    if answers(ctx.data(), ctx.data_end()) {
        // SAFETY: the context is valid for as long as the program runs; a helper on plain numbers.
        return unsafe { bpf_redirect((*ctx.as_ptr().cast::<__sk_buff>()).ifindex, 0) as i32 };
    }
    TC_SHOT
}

/// The same before there is a socket buffer.
#[xdp]
pub(crate) fn sink_xdp(ctx: XdpContext) -> u32 {
    if ctx.data_end().wrapping_sub(ctx.data()) < 60 {
        return xdp_action::XDP_PASS;
    }
    arrived();
    if answers(ctx.data(), ctx.data_end()) {
        return xdp_action::XDP_TX;
    }
    xdp_action::XDP_DROP
}

/// The ceiling of the way into a pod: the planned device's other end, without a thought.
#[classifier]
pub(crate) fn ceiling_peer(_ctx: TcContext) -> i32 {
    match PLAN.get(0) {
        // SAFETY: a helper on plain numbers.
        Some(plan) => unsafe { bpf_redirect_peer(plan.target, 0) as i32 },
        None => TC_NEXT,
    }
}

/// The ceiling of the way to another node by tc; the packet's own destination decides about the neighbour.
#[classifier]
pub(crate) fn ceiling_neigh(_ctx: TcContext) -> i32 {
    match PLAN.get(0) {
        // SAFETY: a helper on plain numbers; no parameters: the kernel finds the next hop itself.
        Some(plan) => unsafe {
            bpf_redirect_neigh(plan.target, core::ptr::null_mut(), 0, 0) as i32
        },
        None => TC_NEXT,
    }
}

/// The ceiling of the same with Ethernet addresses that somebody else has found: those of the frame, exchanged.
#[classifier]
pub(crate) fn ceiling_redirect(ctx: TcContext) -> i32 {
    match PLAN.get(0) {
        Some(plan) if frame::turn_round(ctx.data(), ctx.data_end()) => {
            // SAFETY: a helper on plain numbers.
            unsafe { bpf_redirect(plan.target, 0) as i32 }
        }
        _ => TC_NEXT,
    }
}

/// The ceiling of the way to another node by XDP: Ethernet addresses exchanged, and back out.
#[xdp]
pub(crate) fn ceiling_tx(ctx: XdpContext) -> u32 {
    match frame::turn_round(ctx.data(), ctx.data_end()) {
        true => xdp_action::XDP_TX,
        false => xdp_action::XDP_PASS,
    }
}

/// A reachable panic is an endless loop, which the verifier refuses to load.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
