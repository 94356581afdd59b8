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
    journey,
    parse::{self, Ip, Network},
};

use crate::{
    account,
    packet::Xdp,
    tables::{Family, Maps},
    world::{Kernel, Lookup},
};

/// Translates what leaves by the device it came from, and passes the rest.
#[xdp]
pub(crate) fn xdp_uplink(ctx: XdpContext) -> u32 {
    let packet = Xdp(ctx.ctx);
    match parse::link(&packet) {
        Ok(link) => match link.network {
            Network::V4 => enter::<Ip4>(ctx.ctx, link.l3 as u32),
            Network::V6 => enter::<Ip6>(ctx.ctx, link.l3 as u32),
        },
        Err(reason) => neither(ctx.ctx, reason),
    }
}

#[inline(never)]
fn neither(ctx: *mut xdp_md, reason: Reason) -> u32 {
    finish(Xdp(ctx), answer::without_headers(reason))
}

// One function a family: the verifier adds up the stack of callers, not of siblings.
#[inline(never)]
fn enter<A: Family + Lookup + Ip + Icmp>(ctx: *mut xdp_md, l3: u32) -> u32 {
    let mut packet = Xdp(ctx);
    let kernel = Kernel(ctx.cast());
    let verdict = journey::<A, _, _, _>(&mut packet, &Maps, &kernel, entry(ctx), l3 as usize);
    finish(packet, verdict)
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
        Door::Stack | Door::Aside | Door::Back | Door::Peer(_) | Door::Neighbour(_) => {
            xdp_action::XDP_PASS
        }
    }
}
