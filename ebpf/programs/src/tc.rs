//! The socket-buffer stage of every device.

use core::ptr;

use aya_ebpf::{
    EbpfContext as _,
    bindings::__sk_buff,
    helpers::generated::{
        bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer, bpf_skb_change_type, bpf_skb_vlan_pop,
    },
    macros::classifier,
    programs::TcContext,
};
use tidegate_abi::{Ip4, Ip6, Reason};
use tidegate_datapath::{
    Door, Entry, Packet as _, Role, Stage, Verdict,
    answer::{self, Icmp},
    journey, leaving,
    parse::{self, Ip, Network},
};

use crate::{
    account, aside,
    packet::{HEADERS, Skb},
    tables::{Family, Maps},
    world::{Kernel, Lookup},
};

/// On to the next program, then to the stack: `TCX_NEXT`, or `TC_ACT_UNSPEC` on a clsact qdisc.
pub(crate) const NEXT: i32 = -1;
/// `TC_ACT_SHOT`.
const SHOT: i32 = 2;
/// Not a verdict: the packet belongs to [`aside`].
const ASIDE: i32 = -2;
/// `PACKET_HOST`.
const TO_US: u32 = 0;

/// What enters by the node's outside interface.
#[classifier]
pub(crate) fn tc_uplink(ctx: TcContext) -> i32 {
    traced(&ctx, run(&ctx, Role::Uplink, Stage::Tc))
}

/// What a pod sends.
#[classifier]
pub(crate) fn tc_pod(ctx: TcContext) -> i32 {
    traced(&ctx, run(&ctx, Role::Pod, Stage::Tc))
}

/// What came through a tunnel.
#[classifier]
pub(crate) fn tc_overlay(ctx: TcContext) -> i32 {
    traced(&ctx, run(&ctx, Role::Overlay, Stage::Tc))
}

/// What this host sends, attached at egress while it has backends of its own.
#[classifier]
pub(crate) fn tc_host(ctx: TcContext) -> i32 {
    run(&ctx, Role::Uplink, Stage::Leaving)
}

#[inline(never)]
fn leave<A: Family + Lookup + Ip>(skb: *mut __sk_buff, l3: u32) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let entry = Entry {
        role: Role::Uplink,
        stage: Stage::Leaving,
        device: device(skb),
    };
    match leaving::<A, _, _, _>(&mut packet, &Maps, &Kernel(skb.cast()), entry, l3 as usize) {
        Some(verdict) => finish(packet, len, verdict),
        None => NEXT,
    }
}

/// In a debugging build, a line for each packet.
#[inline(always)]
fn traced(ctx: &TcContext, code: i32) -> i32 {
    #[cfg(feature = "debug-log")]
    log_line(ctx.as_ptr().cast(), code);
    #[cfg(not(feature = "debug-log"))]
    let _quiet: &TcContext = ctx;
    code
}

/// Beside the journey, not around it: the stack has no room for both.
#[cfg(feature = "debug-log")]
#[inline(never)]
fn log_line(skb: *mut __sk_buff, code: i32) {
    if let Some(known) = core::ptr::NonNull::new(skb) {
        let ctx = TcContext::new(known);
        aya_log_ebpf::debug!(
            &ctx,
            "device {}: {} bytes, verdict {}",
            device(skb),
            ctx.len(),
            code
        );
    }
}

#[inline(always)]
fn run(ctx: &TcContext, role: Role, stage: Stage) -> i32 {
    let skb = ctx.as_ptr().cast();
    let mut packet = Skb(skb);
    packet.make_linear(HEADERS);
    let link = match parse::link(&packet) {
        Ok(link) => link,
        Err(_) if stage == Stage::Leaving => return NEXT,
        Err(reason) => return neither(skb, reason),
    };
    let l3 = link.l3 as u32;
    let code = match (link.network, stage) {
        (Network::V4, Stage::Leaving) => leave::<Ip4>(skb, l3),
        (Network::V6, Stage::Leaving) => leave::<Ip6>(skb, l3),
        (Network::V4, _) => enter::<Ip4>(skb, l3, role),
        (Network::V6, _) => enter::<Ip6>(skb, l3, role),
    };
    if code == ASIDE {
        return aside::go(ctx, link, role, stage);
    }
    code
}

#[inline(never)]
fn neither(skb: *mut __sk_buff, reason: Reason) -> i32 {
    finish(Skb(skb), packet_len(skb), answer::without_headers(reason))
}

// One function a family: the verifier adds up the stack of callers, not of siblings.
#[inline(never)]
fn enter<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff, l3: u32, role: Role) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let entry = Entry {
        role,
        stage: Stage::Tc,
        device: device(skb),
    };
    let verdict =
        journey::<A, _, _, _>(&mut packet, &Maps, &Kernel(skb.cast()), entry, l3 as usize);
    finish(packet, len, verdict)
}

#[inline(always)]
pub(crate) fn device(skb: *mut __sk_buff) -> u32 {
    // SAFETY: the context is valid for as long as the program runs.
    unsafe { (*skb).ifindex }
}

#[inline(always)]
pub(crate) fn packet_len(skb: *mut __sk_buff) -> u64 {
    Skb(skb).len() as u64
}

/// Counts the packet as it came, and opens its door.
#[inline(always)]
pub(crate) fn finish(packet: Skb, len: u64, verdict: Verdict) -> i32 {
    if verdict.door == Door::Aside {
        return ASIDE;
    }
    account::count(verdict.reason, len);
    let skb = packet.0;
    match verdict.door {
        Door::Stack | Door::Transmit | Door::Aside => NEXT,
        Door::Drop => {
            account::bare(verdict.reason, device(skb), len);
            SHOT
        }
        // SAFETY: helpers on the program's own context, here and below.
        Door::Back => unsafe { bpf_redirect(device(skb), 0) as i32 },
        Door::Peer(target) => {
            untag(skb);
            // A bridge port hands over frames for the bridge's address, which the pod would refuse.
            // SAFETY: as above.
            unsafe {
                if (*skb).pkt_type != TO_US {
                    let _failed: i64 = bpf_skb_change_type(skb, TO_US);
                }
                bpf_redirect_peer(target, 0) as i32
            }
        }
        Door::Neighbour(target) => {
            untag(skb);
            // SAFETY: as above; no parameters: the kernel finds the next hop itself.
            unsafe { bpf_redirect_neigh(target, ptr::null_mut(), 0, 0) as i32 }
        }
    }
}

/// The next link has tags of its own, or none. The kernel's pop moves an inner tag up, so there may be
/// two to take.
#[inline(always)]
fn untag(skb: *mut __sk_buff) {
    for _ in 0..2 {
        // SAFETY: the context is valid for as long as the program runs; a helper on it.
        unsafe {
            if (*skb).vlan_present != 0 {
                let _failed: i64 = bpf_skb_vlan_pop(skb);
            }
        }
    }
}
