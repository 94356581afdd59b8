//! The socket-buffer stage of every device.

use core::ptr;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, bpf_redir_neigh},
    helpers::generated::{
        bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer, bpf_skb_change_type, bpf_skb_vlan_pop,
    },
    macros::classifier,
    programs::TcContext,
};
use tidegate_abi::{Ip4, Ip6, Proto, Reason};
use tidegate_datapath::{
    Door, Entry, Packet as _, Role, Stage, Verdict,
    answer::{self, Icmp},
    aside as way,
    journey::{self as steps, Next},
    leaving,
    parse::{self, Ip, Network},
};

use crate::{
    account,
    apart::{self, parts},
    aside,
    maps::WAY,
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
/// Not verdicts either: what step comes next.
const OPENS: i32 = -7;
const REFUSED: i32 = -8;
/// How much of a frame is made linear where IPv6 has extension headers.
const EXTENDED: u32 = 512;
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

// One function a family: the verifier adds up the stack of callers, not of siblings.
parts! {
    Parts of __sk_buff:
    known(l3, role) as tc_known4, tc_known6;
    begin(role) as tc_begin4, tc_begin6;
    refuse(role) as tc_refuse4, tc_refuse6;
    leave(l3) as tc_leave4, tc_leave6;
}

#[inline(always)]
fn leave<A: Family + Lookup + Ip>(skb: *mut __sk_buff, l3: u32) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let entry = Entry {
        role: Role::Uplink,
        stage: Stage::Leaving,
        device: device(skb),
    };
    match leaving::<A, _, _, _>(
        &mut packet,
        &Maps,
        &Kernel(skb.cast()),
        entry,
        apart::l3(l3),
    ) {
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
    if link.network == Network::V6 && has_extensions(&packet, link.l3) {
        packet.make_linear(EXTENDED);
    }
    let code = match (link.network, stage) {
        (Network::V4, Stage::Leaving) => Ip4::leave(skb, l3),
        (Network::V6, Stage::Leaving) => Ip6::leave(skb, l3),
        (Network::V4, _) => travel::<Ip4>(skb, l3, role as u32),
        (Network::V6, _) => travel::<Ip6>(skb, l3, role as u32),
    };
    if code == ASIDE {
        return aside::go(ctx, link, role, stage);
    }
    code
}

/// Whether something stands between the IPv6 header and what the journey knows, so that it may begin far behind.
#[inline(always)]
fn has_extensions(packet: &Skb, l3: usize) -> bool {
    let next = packet
        .load::<1>(l3.wrapping_add(6))
        .map(|[next]| Proto(next));
    !matches!(
        next,
        Some(Proto::TCP | Proto::UDP | Proto::ICMP6 | Proto::SCTP)
    )
}

#[inline(never)]
fn neither(skb: *mut __sk_buff, reason: Reason) -> i32 {
    finish(Skb(skb), packet_len(skb), answer::without_headers(reason))
}

/// The steps of the journey, see [`tidegate_datapath::journey()`].
#[inline(always)]
fn travel<A: Parts>(skb: *mut __sk_buff, l3: u32, role: u32) -> i32 {
    let mut code = A::known(skb, l3, role);
    if code == OPENS {
        code = A::begin(skb, role);
    }
    if code == REFUSED {
        code = A::refuse(skb, role);
    }
    code
}

#[inline(always)]
fn known<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff, l3: u32, role: u32) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let (kernel, l3) = (Kernel(skb.cast()), apart::l3(l3));
    match steps::known::<A, _, _, _>(&mut packet, &Maps, &kernel, entry(skb, role), l3) {
        Ok(verdict) => finish(packet, len, verdict),
        Err(Next::Open) => OPENS,
        Err(Next::Refuse) => REFUSED,
    }
}

#[inline(always)]
fn begin<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff, role: u32) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let kernel = Kernel(skb.cast());
    match steps::begin::<A, _, _, _>(&mut packet, &Maps, &kernel, entry(skb, role)) {
        Some(verdict) => finish(packet, len, verdict),
        None => REFUSED,
    }
}

#[inline(always)]
fn refuse<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff, role: u32) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let kernel = Kernel(skb.cast());
    let verdict = way::refuse::<A, _, _, _>(&mut packet, &Maps, &kernel, entry(skb, role));
    finish(packet, len, verdict)
}

#[inline(always)]
fn entry(skb: *mut __sk_buff, role: u32) -> Entry {
    Entry {
        role: apart::role(role),
        stage: Stage::Tc,
        device: device(skb),
    }
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
        Door::Direct(target) => {
            untag(skb);
            // SAFETY: as above.
            unsafe { bpf_redirect(target, 0) as i32 }
        }
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
            let (via, size) = match WAY.get_ptr_mut(0) {
                // SAFETY: a place in the entry of this CPU.
                Some(way) => unsafe {
                    let via = (&raw mut (*way).via).cast();
                    (via, size_of::<bpf_redir_neigh>() as i32)
                },
                // Then the kernel asks its routing table once more.
                None => (ptr::null_mut(), 0),
            };
            // SAFETY: as above; the parameters are what the lookup of this packet's route has left.
            unsafe { bpf_redirect_neigh(target, via, size, 0) as i32 }
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
