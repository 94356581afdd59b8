//! The uplink's first stage.

use aya_ebpf::{
    bindings::{xdp_action, xdp_md},
    macros::xdp,
    programs::XdpContext,
};
use tidegate_abi::{Ip4, Ip6, Reason};
use tidegate_datapath::{
    Door, Entry, Packet, Role, Stage, Verdict,
    answer::{self, Icmp},
    aside as way,
    journey::{self as steps, Next},
    parse::{self, Ip, Network},
};

use crate::{
    account,
    apart::{self, parts},
    packet::Xdp,
    tables::{Family, Maps},
    world::{Kernel, Lookup},
};

/// Not verdicts: what step comes next.
const OPENS: i32 = -7;
const REFUSED: i32 = -8;

/// Translates what leaves by the device it came from, and passes the rest.
#[xdp]
pub(crate) fn xdp_uplink(ctx: XdpContext) -> u32 {
    let packet = Xdp(ctx.ctx);
    match parse::link(&packet) {
        Ok(link) => match link.network {
            Network::V4 => travel::<Ip4>(ctx.ctx, link.l3 as u32),
            Network::V6 => travel::<Ip6>(ctx.ctx, link.l3 as u32),
        },
        Err(reason) => neither(ctx.ctx, reason),
    }
}

#[inline(never)]
fn neither(ctx: *mut xdp_md, reason: Reason) -> u32 {
    finish(Xdp(ctx), answer::without_headers(reason))
}

// One function a family: the verifier adds up the stack of callers, not of siblings.
parts! {
    Parts of xdp_md:
    known(l3) as xdp_known4, xdp_known6;
    begin() as xdp_begin4, xdp_begin6;
    refuse() as xdp_refuse4, xdp_refuse6;
}

/// The steps of the journey, see [`tidegate_datapath::journey()`].
#[inline(always)]
fn travel<A: Parts>(ctx: *mut xdp_md, l3: u32) -> u32 {
    let mut code = A::known(ctx, l3);
    if code == OPENS {
        code = A::begin(ctx);
    }
    if code == REFUSED {
        code = A::refuse(ctx);
    }
    code as u32
}

#[inline(always)]
fn known<A: Family + Lookup + Ip + Icmp>(ctx: *mut xdp_md, l3: u32) -> i32 {
    let (mut packet, kernel) = (Xdp(ctx), Kernel(ctx.cast()));
    match steps::known::<A, _, _, _>(&mut packet, &Maps, &kernel, entry(ctx), apart::l3(l3)) {
        Ok(verdict) => finish(packet, verdict) as i32,
        Err(Next::Open) => OPENS,
        Err(Next::Refuse) => REFUSED,
    }
}

#[inline(always)]
fn begin<A: Family + Lookup + Ip + Icmp>(ctx: *mut xdp_md) -> i32 {
    let (mut packet, kernel) = (Xdp(ctx), Kernel(ctx.cast()));
    match steps::begin::<A, _, _, _>(&mut packet, &Maps, &kernel, entry(ctx)) {
        Some(verdict) => finish(packet, verdict) as i32,
        None => REFUSED,
    }
}

#[inline(always)]
fn refuse<A: Family + Lookup + Ip + Icmp>(ctx: *mut xdp_md) -> i32 {
    let (mut packet, kernel) = (Xdp(ctx), Kernel(ctx.cast()));
    let verdict = way::refuse::<A, _, _, _>(&mut packet, &Maps, &kernel, entry(ctx));
    finish(packet, verdict) as i32
}

#[inline(always)]
fn entry(ctx: *mut xdp_md) -> Entry {
    // SAFETY: the context is valid for as long as the program runs.
    let device = unsafe { (*ctx).ingress_ifindex };
    Entry {
        role: Role::Uplink,
        stage: Stage::Xdp,
        device,
    }
}

#[inline(always)]
fn finish(packet: Xdp, verdict: Verdict) -> u32 {
    // What passes is counted by the second stage, which sees it too.
    match verdict.door {
        Door::Transmit => {
            account::count(verdict.reason, packet.len() as u64);
            xdp_action::XDP_TX
        }
        Door::Drop => {
            account::count(verdict.reason, packet.len() as u64);
            account::bare(verdict.reason, entry(packet.0).device, packet.len() as u64);
            xdp_action::XDP_DROP
        }
        Door::Stack
        | Door::Aside
        | Door::Back
        | Door::Peer(_)
        | Door::Neighbour(_)
        | Door::Direct(_) => xdp_action::XDP_PASS,
    }
}
