//! The other end of a journey: pass, drop, or answer the sender in place.
//!
//! A reset (RFC 9293, section 3.10.7.1) or an ICMP error is made out of the very packet that caused it,
//! with the dialled address as its source (rules 2.4.4 and 2.4.5), and leaves by the way it came.

use tidegate_abi::{Proto, Reason, reason::Kind};

use crate::{
    Packet, Tables, World,
    door::later,
    parse::{Headers, Ip},
    verdict::{Door, Entry, Stage, Stop, Verdict},
};

mod icmp;
mod reset;

pub use icmp::{Error, Icmp, QUOTE};

/// Time to live of what we send ourselves (the default of Linux).
pub(crate) const TTL: u8 = 64;

/// The verdict on a packet that could not be parsed.
#[inline(always)]
pub fn without_headers(reason: Reason) -> Verdict {
    let door = if matches!(reason.kind(), Kind::Drop) {
        Door::Drop
    } else {
        Door::Stack
    };
    Verdict { reason, door }
}

/// The verdict on a packet that goes on as it is; `None`: it ends here.
#[inline(always)]
pub fn at_once(entry: Entry, stop: Stop) -> Option<Verdict> {
    match stop.reason.kind() {
        Kind::Pass | Kind::Forward => Some(Verdict {
            reason: stop.reason,
            door: Door::Stack,
        }),
        // XDP leaves the answer to the second stage.
        Kind::Reject if entry.stage == Stage::Xdp => Some(Verdict {
            reason: later(entry, stop).reason,
            door: Door::Stack,
        }),
        Kind::Reject | Kind::Drop => None,
    }
}

/// The verdict on a packet that is not translated; answers its sender where the reason asks for it.
#[inline(always)]
pub fn conclude<A, P, T, W>(
    packet: &mut P,
    tables: &T,
    world: &W,
    headers: &Headers<A>,
    entry: Entry,
    stop: Stop,
) -> Verdict
where
    A: Ip + icmp::Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    if let Some(verdict) = at_once(entry, stop) {
        return verdict;
    }
    tables.stopped(entry, headers, stop.reason);
    match stop.reason.kind() {
        Kind::Pass | Kind::Forward | Kind::Drop => Verdict {
            reason: stop.reason,
            door: Door::Drop,
        },
        Kind::Reject if !world.may_answer() => Verdict {
            reason: Reason::RateLimited,
            door: Door::Drop,
        },
        Kind::Reject => match tables.with_work(headers, |work| reject(packet, &work.headers, stop))
        {
            Some(Some(())) => Verdict {
                reason: stop.reason,
                door: Door::Back,
            },
            _ => Verdict {
                reason: Reason::RejectFailed,
                door: Door::Drop,
            },
        },
    }
}

/// Turns the packet into its answer.
#[inline(always)]
fn reject<A, P>(packet: &mut P, headers: &Headers<A>, stop: Stop) -> Option<()>
where
    A: Ip + icmp::Icmp,
    P: Packet,
{
    let error = match stop.reason {
        Reason::TtlExceeded => Error::TtlExceeded,
        Reason::TooBig => Error::TooBig(stop.mtu),
        Reason::NoRoute => Error::HostUnreachable,
        _ if headers.key.proto == Proto::TCP => return reset::answer(packet, headers),
        _ => Error::PortUnreachable,
    };
    icmp::answer(packet, headers, error)
}

/// The Ethernet addresses, exchanged.
#[inline(always)]
pub(crate) fn swap_macs<P: Packet>(packet: &mut P) -> Option<()> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = packet.load::<12>(0)?;
    packet.store(0, [g, h, i, j, k, l, a, b, c, d, e, f])
}
