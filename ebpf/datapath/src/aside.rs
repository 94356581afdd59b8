//! The way of the rare packets: ICMP, SCTP and fragments.
//!
//! A program of its own, so that the others stay small: the journey ends at [`crate::verdict::Door::Aside`]
//! for what it cannot parse as a whole TCP or UDP packet, and goes on here.

use core::marker::PhantomData;

use tidegate_abi::{Proto, Reason};

use crate::{
    Packet, Tables, Work, World,
    answer::{self, Icmp},
    fragment::{self, Part},
    journey, known,
    parse::{self, Headers, Ip},
    ping, related, service,
    verdict::{Entry, Stage, Verdict},
};

/// Length of an ICMP header.
const ICMP: u32 = 8;

/// Whether a packet that the journey cannot parse belongs here.
#[inline(always)]
pub fn takes(reason: Reason) -> bool {
    matches!(reason, Reason::Fragment | Reason::Rare)
}

/// What a rare packet is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An ICMP echo request.
    Echo,
    /// An ICMP error.
    Error,
    /// A fragment.
    Fragment,
    /// A whole packet that has ports: SCTP.
    Ports,
}

/// The parts of this way. The kernel's stack has room for one of them at a time, so its programs make each a
/// function of its own, which ends the journey as well.
pub trait Steps<P> {
    /// How the journey ended.
    type End;
    /// Which way: [`begin`].
    fn begin(&mut self, packet: &mut P) -> Result<Kind, Self::End>;
    /// An ICMP echo request: [`ping::answer`].
    fn echo(&mut self, packet: &mut P) -> Self::End;
    /// An ICMP error: [`related::travel`].
    fn error(&mut self, packet: &mut P) -> Option<Self::End>;
    /// One about a translated packet: [`related::send`].
    fn relay(&mut self, packet: &mut P) -> Self::End;
    /// A fragment: [`fragment::travel`].
    fn fragment(&mut self, packet: &mut P) -> Result<Part, Self::End>;
    /// A fragment whose ports are known: [`fragment::send`].
    fn piece(&mut self, packet: &mut P) -> Self::End;
    /// A packet that has ports, of a known flow: [`known`].
    fn known(&mut self) -> bool;
    /// The first packet of a flow: [`open`].
    fn open(&mut self) -> bool;
    /// What now has a record: [`send`].
    fn send(&mut self, packet: &mut P) -> Option<Self::End>;
    /// What has none, or cannot leave: [`refuse`].
    fn refuse(&mut self, packet: &mut P) -> Self::End;
}

/// Runs the journey of a packet of one family that [`takes`] was true of.
#[inline(always)]
pub fn walk<P, S: Steps<P>>(packet: &mut P, steps: &mut S) -> S::End {
    let kind = match steps.begin(packet) {
        Ok(kind) => kind,
        Err(end) => return end,
    };
    if kind == Kind::Echo {
        return steps.echo(packet);
    }
    if kind == Kind::Error {
        return match steps.error(packet) {
            Some(end) => end,
            None => steps.relay(packet),
        };
    }
    if kind == Kind::Fragment {
        match steps.fragment(packet) {
            Ok(Part::First) => {}
            Ok(Part::Later) => return steps.piece(packet),
            Err(end) => return end,
        }
    }
    if (steps.known() || steps.open())
        && let Some(end) = steps.send(packet)
    {
        return end;
    }
    steps.refuse(packet)
}

/// Parses the headers, and leaves them in the memory that [`Tables::resume_work`] lends: from there each
/// step reads what it needs, and need not know how long they are.
#[inline(always)]
pub fn begin<A, P, T>(packet: &P, tables: &T, l3: usize) -> Result<Kind, Verdict>
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
{
    let ip = match A::header(packet, l3) {
        Ok(ip) => ip,
        Err(reason) => return Err(untranslated(packet, tables, l3, reason)),
    };
    let _kept: Option<()> = tables.resume_work(|work| work.ip = ip);
    if ip.piece.is_fragment {
        Ok(Kind::Fragment)
    } else if ip.proto == A::PROTO {
        // Behind the stated end there is padding of the link.
        let before = ip.l4.wrapping_sub(l3) as u32;
        if ip.len < before.wrapping_add(ICMP) {
            return Err(answer::without_headers(Reason::Truncated));
        }
        match packet.load::<1>(ip.l4) {
            Some([kind]) if kind == A::ECHO[0] => Ok(Kind::Echo),
            Some([kind]) if A::is_error(kind) => Ok(Kind::Error),
            Some(_) => Err(untranslated(packet, tables, l3, Reason::NotTransport)),
            None => Err(answer::without_headers(Reason::Truncated)),
        }
    } else if ip.proto == Proto::SCTP {
        match parse::behind(packet, l3, &ip) {
            Ok(headers) => keep(tables, headers),
            Err(reason) => return Err(untranslated(packet, tables, l3, reason)),
        }
        Ok(Kind::Ports)
    } else {
        Err(untranslated(packet, tables, l3, Reason::NotTransport))
    }
}

/// Leaves the headers of a packet that has ports for the steps that follow.
#[inline(always)]
pub(crate) fn keep<A: Ip, T: Tables<A>>(tables: &T, headers: Headers<A>) {
    let _kept: Option<()> = tables.resume_work(|work| work.headers = headers);
}

/// For a packet that has ports: whether a record translates it, which is then left in the same memory.
#[inline(always)]
pub fn known<A, T, W>(tables: &T, world: &W, entry: Entry) -> bool
where
    A: Ip,
    T: Tables<A>,
    W: World<A>,
{
    let headers = tables.resume_work(|work| work.headers).unwrap_or_default();
    match known::flow(tables, world, entry, &headers) {
        Some(flow) if flow.is_reply() || entry.stage != Stage::Leaving => {
            let kept = tables.resume_work(|work| (work.flow, work.is_new) = (*flow, 0));
            kept.is_some()
        }
        _ => false,
    }
}

/// For a packet without a record: makes one, or leaves the reason why not.
#[inline(always)]
pub fn open<A, T, W>(tables: &T, world: &W, entry: Entry) -> bool
where
    A: Ip + Icmp,
    T: Tables<A>,
    W: World<A>,
{
    let opened = tables.resume_work(|work| {
        work.is_new = 1;
        let result = if entry.stage == Stage::Leaving {
            Err(Reason::NotService.into())
        } else {
            journey::open(tables, world, entry, work)
        };
        match result {
            Ok(()) => true,
            Err(stop) => {
                if work.ip.piece.is_fragment {
                    fragment::ended(tables, &work.ip, stop.reason);
                }
                work.stop = stop;
                false
            }
        }
    });
    opened.unwrap_or(false)
}

/// Sends it the way of the record; `None`: it cannot leave, and the reason is where [`open`] leaves it.
#[inline(always)]
pub fn send<A, P, T, W>(packet: &mut P, tables: &T, world: &W, entry: Entry) -> Option<Verdict>
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    tables.resume_work(|work| {
        let reason = if work.is_new != 0 {
            Reason::NewFlow
        } else {
            journey::how(&work.flow)
        };
        let Work {
            ip, headers, flow, ..
        } = &*work;
        match journey::send(
            packet,
            tables,
            world,
            entry,
            headers,
            flow,
            reason,
            Some(&ip.piece),
        ) {
            Ok(verdict) => Some(verdict),
            Err(stop) => {
                work.stop = stop;
                work.frontend.service = work.flow.service;
                None
            }
        }
    })?
}

/// Passes or drops what is not translated, or answers its sender.
#[inline(always)]
pub fn refuse<A, P, T, W>(packet: &mut P, tables: &T, world: &W, entry: Entry) -> Verdict
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    // Defaults, not early returns: of an absent value the compiler would read what was never set.
    let stop = tables.resume_work(|work| work.stop).unwrap_or_default();
    let headers = tables.resume_work(|work| work.headers).unwrap_or_default();
    answer::conclude(packet, tables, world, &headers, entry, stop)
}

/// A packet that stays as it is: passed, or dropped where it would only wander off.
#[inline(always)]
pub fn untranslated<A, P, T>(packet: &P, tables: &T, l3: usize, reason: Reason) -> Verdict
where
    A: Ip,
    P: Packet,
    T: Tables<A>,
{
    answer::without_headers(service::guard::<A, _, _>(packet, tables, l3, reason))
}

/// The whole way, where memory does not matter.
pub fn aside<A, P, T, W>(packet: &mut P, tables: &T, world: &W, entry: Entry, l3: usize) -> Verdict
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    let mut steps = Plain::<A, T, W> {
        tables,
        world,
        entry,
        l3,
        family: PhantomData,
    };
    walk(packet, &mut steps)
}

/// Every step in place.
struct Plain<'a, A, T, W> {
    tables: &'a T,
    world: &'a W,
    entry: Entry,
    l3: usize,
    family: PhantomData<A>,
}

impl<A, P, T, W> Steps<P> for Plain<'_, A, T, W>
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    type End = Verdict;

    fn begin(&mut self, packet: &mut P) -> Result<Kind, Verdict> {
        begin(packet, self.tables, self.l3)
    }

    fn echo(&mut self, packet: &mut P) -> Verdict {
        ping::answer(packet, self.tables, self.world, self.entry, self.l3)
    }

    fn error(&mut self, packet: &mut P) -> Option<Verdict> {
        related::travel(packet, self.tables, self.l3)
    }

    fn relay(&mut self, packet: &mut P) -> Verdict {
        related::send(packet, self.tables, self.world, self.entry)
    }

    fn fragment(&mut self, packet: &mut P) -> Result<Part, Verdict> {
        fragment::travel(packet, self.tables, self.world, self.entry, self.l3)
    }

    fn piece(&mut self, packet: &mut P) -> Verdict {
        fragment::send(packet, self.tables, self.world, self.entry, self.l3)
    }

    fn known(&mut self) -> bool {
        known(self.tables, self.world, self.entry)
    }

    fn open(&mut self) -> bool {
        open(self.tables, self.world, self.entry)
    }

    fn send(&mut self, packet: &mut P) -> Option<Verdict> {
        send(packet, self.tables, self.world, self.entry)
    }

    fn refuse(&mut self, packet: &mut P) -> Verdict {
        refuse(packet, self.tables, self.world, self.entry)
    }
}
