//! The program for rare packets, one a family: ICMP, SCTP, fragments.
//!
//! Reached by a tail call from every socket-buffer program, so that those stay small for the verifier and
//! have all of the stack. Where the packet entered is handed over in the control block.

use core::marker::PhantomData;

use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, macros::classifier, programs::TcContext};
use tidegate_abi::{Ip4, Ip6, Reason};
use tidegate_datapath::{
    Entry, Role, Stage, Verdict,
    answer::{self, Icmp},
    aside::{self, Kind, Steps},
    fragment::{self, Part},
    parse::{Ip, Link, Network},
    ping, related,
};

use crate::{
    apart::{self, parts},
    maps::ASIDES,
    packet::Skb,
    tables::{Family, Maps},
    tc::{NEXT, device, finish, packet_len},
    world::{Kernel, Lookup},
};

/// How much of a frame is made linear: an error's headers, those that it quotes, and options of both.
const QUOTED: u32 = 320;
/// The words of `__sk_buff.cb` that are used.
const ROLE: usize = 0;
const STAGE: usize = 1;
const L3: usize = 2;

/// On to the program of the family; passes the packet where there is none.
#[inline(always)]
pub(crate) fn go(ctx: &TcContext, link: Link, role: Role, stage: Stage) -> i32 {
    let skb: *mut __sk_buff = ctx.as_ptr().cast();
    // SAFETY: the context is valid for as long as the program runs, here and below.
    unsafe {
        (*skb).cb[ROLE] = role as u32;
        (*skb).cb[STAGE] = u32::from(stage == Stage::Leaving);
        (*skb).cb[L3] = link.l3 as u32;
    }
    let index = match link.network {
        Network::V4 => 0,
        Network::V6 => 1,
    };
    // SAFETY: a tail call returns only when it fails.
    unsafe { ASIDES.tail_call(ctx, index) };
    finish(
        Skb(skb),
        packet_len(skb),
        answer::without_headers(Reason::Rare),
    )
}

/// IPv4's.
#[classifier]
pub(crate) fn tc_aside4(ctx: TcContext) -> i32 {
    run::<Ip4>(ctx.as_ptr().cast())
}

/// IPv6's.
#[classifier]
pub(crate) fn tc_aside6(ctx: TcContext) -> i32 {
    run::<Ip6>(ctx.as_ptr().cast())
}

#[inline(always)]
fn run<A: Parts>(skb: *mut __sk_buff) -> i32 {
    // SAFETY: as above.
    let l3 = unsafe { (*skb).cb[L3] };
    let mut apart = Apart::<A> {
        skb,
        l3,
        family: PhantomData,
    };
    aside::walk(&mut Skb(skb), &mut apart)
}

// Each step a function: the verifier adds up the stack of callers, not of siblings.
parts! {
    Parts of __sk_buff:
    begin(l3) as aside_begin4, aside_begin6;
    echo(l3) as aside_echo4, aside_echo6;
    error(l3) as aside_error4, aside_error6;
    relay() as aside_relay4, aside_relay6;
    fragment(l3) as aside_fragment4, aside_fragment6;
    piece(l3) as aside_piece4, aside_piece6;
    known() as aside_known4, aside_known6;
    open() as aside_open4, aside_open6;
    send() as aside_send4, aside_send6;
    refuse() as aside_refuse4, aside_refuse6;
}

/// The steps on one packet.
struct Apart<A> {
    skb: *mut __sk_buff,
    l3: u32,
    family: PhantomData<A>,
}

impl<A: Parts> Steps<Skb> for Apart<A> {
    type End = i32;

    #[inline(always)]
    fn begin(&mut self, packet: &mut Skb) -> Result<Kind, i32> {
        match A::begin(packet.0, self.l3) {
            AN_ECHO => Ok(Kind::Echo),
            AN_ERROR => Ok(Kind::Error),
            A_FRAGMENT => Ok(Kind::Fragment),
            GOES_ON => Ok(Kind::Ports),
            code => Err(code),
        }
    }

    #[inline(always)]
    fn echo(&mut self, packet: &mut Skb) -> i32 {
        A::echo(packet.0, self.l3)
    }

    #[inline(always)]
    fn error(&mut self, packet: &mut Skb) -> Option<i32> {
        ended(A::error(packet.0, self.l3))
    }

    #[inline(always)]
    fn relay(&mut self, packet: &mut Skb) -> i32 {
        A::relay(packet.0)
    }

    #[inline(always)]
    fn fragment(&mut self, packet: &mut Skb) -> Result<Part, i32> {
        match A::fragment(packet.0, self.l3) {
            GOES_ON => Ok(Part::First),
            A_FRAGMENT => Ok(Part::Later),
            code => Err(code),
        }
    }

    #[inline(always)]
    fn piece(&mut self, packet: &mut Skb) -> i32 {
        A::piece(packet.0, self.l3)
    }

    #[inline(always)]
    fn known(&mut self) -> bool {
        A::known(self.skb) != 0
    }

    #[inline(always)]
    fn open(&mut self) -> bool {
        A::open(self.skb) != 0
    }

    #[inline(always)]
    fn send(&mut self, packet: &mut Skb) -> Option<i32> {
        ended(A::send(packet.0))
    }

    #[inline(always)]
    fn refuse(&mut self, packet: &mut Skb) -> i32 {
        A::refuse(packet.0)
    }
}

#[inline(always)]
fn ended(code: i32) -> Option<i32> {
    if code == GOES_ON { None } else { Some(code) }
}

/// Not a verdict: the next step decides.
const GOES_ON: i32 = -3;
const AN_ECHO: i32 = -4;
const AN_ERROR: i32 = -5;
const A_FRAGMENT: i32 = -6;

#[inline(always)]
fn begin<A: Family + Ip + Icmp>(skb: *mut __sk_buff, l3: u32) -> i32 {
    let mut packet = Skb(skb);
    packet.make_linear(QUOTED);
    match aside::begin::<A, _, _>(&packet, &Maps, apart::l3(l3)) {
        Ok(Kind::Echo) => AN_ECHO,
        Ok(Kind::Error) => AN_ERROR,
        Ok(Kind::Fragment) => A_FRAGMENT,
        Ok(Kind::Ports) => GOES_ON,
        Err(verdict) => end(packet, packet_len(skb), verdict),
    }
}

#[inline(always)]
fn echo<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff, l3: u32) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let kernel = Kernel(skb.cast());
    let verdict =
        ping::answer::<A, _, _, _>(&mut packet, &Maps, &kernel, entry(skb), apart::l3(l3));
    end(packet, len, verdict)
}

#[inline(always)]
fn error<A: Family + Ip + Icmp>(skb: *mut __sk_buff, l3: u32) -> i32 {
    let (packet, len) = (Skb(skb), packet_len(skb));
    match related::travel::<A, _, _>(&packet, &Maps, apart::l3(l3)) {
        Some(verdict) => end(packet, len, verdict),
        None => GOES_ON,
    }
}

#[inline(always)]
fn relay<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let verdict = related::send::<A, _, _, _>(&mut packet, &Maps, &Kernel(skb.cast()), entry(skb));
    end(packet, len, verdict)
}

#[inline(always)]
fn fragment<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff, l3: u32) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let kernel = Kernel(skb.cast());
    match fragment::travel::<A, _, _, _>(&mut packet, &Maps, &kernel, entry(skb), apart::l3(l3)) {
        Ok(Part::First) => GOES_ON,
        Ok(Part::Later) => A_FRAGMENT,
        Err(verdict) => end(packet, len, verdict),
    }
}

#[inline(always)]
fn piece<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff, l3: u32) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let kernel = Kernel(skb.cast());
    let verdict =
        fragment::send::<A, _, _, _>(&mut packet, &Maps, &kernel, entry(skb), apart::l3(l3));
    end(packet, len, verdict)
}

#[inline(always)]
fn known<A: Family + Lookup + Ip>(skb: *mut __sk_buff) -> i32 {
    i32::from(aside::known::<A, _, _>(
        &Maps,
        &Kernel(skb.cast()),
        entry(skb),
    ))
}

#[inline(always)]
fn open<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff) -> i32 {
    i32::from(aside::open::<A, _, _>(
        &Maps,
        &Kernel(skb.cast()),
        entry(skb),
    ))
}

#[inline(always)]
fn send<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    match aside::send::<A, _, _, _>(&mut packet, &Maps, &Kernel(skb.cast()), entry(skb)) {
        Some(verdict) => end(packet, len, verdict),
        None => GOES_ON,
    }
}

#[inline(always)]
fn refuse<A: Family + Lookup + Ip + Icmp>(skb: *mut __sk_buff) -> i32 {
    let (mut packet, len) = (Skb(skb), packet_len(skb));
    let verdict = aside::refuse::<A, _, _, _>(&mut packet, &Maps, &Kernel(skb.cast()), entry(skb));
    end(packet, len, verdict)
}

#[inline(always)]
fn entry(skb: *mut __sk_buff) -> Entry {
    // SAFETY: as above.
    let (role, leaving) = unsafe { ((*skb).cb[ROLE], (*skb).cb[STAGE]) };
    Entry {
        role: apart::role(role),
        stage: if leaving == 0 {
            Stage::Tc
        } else {
            Stage::Leaving
        },
        device: device(skb),
    }
}

/// What this host sends and nobody translates is not ours to count, or to stop.
#[inline(always)]
fn end(packet: Skb, len: u64, verdict: Verdict) -> i32 {
    let is_leaving = entry(packet.0).stage == Stage::Leaving;
    if is_leaving && !verdict.is_touched() {
        return NEXT;
    }
    finish(packet, len, verdict)
}
