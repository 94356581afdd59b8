//! The journey: from a frame to a verdict. If you read one file, read this.
//!
//! Forward packets and replies take the same road: a record says what the tuple becomes, whichever
//! direction it belongs to. Only a packet without a record asks which Service it is for.
//!
//! Two promises hold on every path. *Plan, then write*: the packet is touched after everything that can
//! fail has been asked, and flow records are made before the packet is written. And no packet ends
//! without a [`Reason`].

use tidegate_abi::{Backend, BackendId, Flow, Frontend, Reason, backend::flags};

use crate::{
    Packet, Tables, Work, World, answer, aside, door, known,
    parse::{self, Headers, Ip, Piece},
    rewrite,
    select::{self, Choice},
    service, source,
    verdict::{Door, Entry, Role, Stop, Verdict},
};

/// What comes after a step that did not end the journey.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// [`begin`]: no record translates the packet.
    Open,
    /// [`aside::refuse`]: it is not to be translated, or cannot leave.
    Refuse,
}

/// Runs the journey of a packet of one family, whose IP header begins at `l3`.
///
/// Three steps, which share what [`Tables::resume_work`] lends and nothing else. The kernel's programs make each a
/// function of its own: the first one is all that a packet of a known flow meets.
#[inline(always)]
pub fn journey<A, P, T, W>(
    packet: &mut P,
    tables: &T,
    world: &W,
    entry: Entry,
    l3: usize,
) -> Verdict
where
    A: Ip + answer::Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    match known(packet, tables, world, entry, l3) {
        Ok(verdict) => return verdict,
        Err(Next::Open) => {
            if let Some(verdict) = begin(packet, tables, world, entry) {
                return verdict;
            }
        }
        Err(Next::Refuse) => {}
    }
    aside::refuse(packet, tables, world, entry)
}

/// A flow that we know: applies its record, asks nothing else.
#[inline(always)]
pub fn known<A, P, T, W>(
    packet: &mut P,
    tables: &T,
    world: &W,
    entry: Entry,
    l3: usize,
) -> Result<Verdict, Next>
where
    A: Ip + answer::Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    let headers = match parse::headers::<A, P>(packet, l3) {
        Ok(headers) => headers,
        Err(reason) if aside::takes(reason) => {
            return Ok(Verdict {
                reason,
                door: Door::Aside,
            });
        }
        Err(reason) => return Ok(aside::untranslated::<A, _, _>(packet, tables, l3, reason)),
    };
    let Some(flow) = known::flow(tables, world, entry, &headers) else {
        let _kept: Option<()> = tables.with_work(&headers, |_work| ());
        return Err(Next::Open);
    };
    let reason = how(&flow);
    let sent = send(packet, tables, world, entry, &headers, &flow, reason, None);
    sent.or_else(|stop| match answer::at_once(entry, stop) {
        Some(verdict) => Ok(verdict),
        None => {
            let _kept: Option<()> = tables.with_work(&headers, |work| {
                work.stop = stop;
                work.frontend.service = flow.service;
            });
            Err(Next::Refuse)
        }
    })
}

/// The first packet of a flow. `None`: it cannot be served, and why is left where [`aside::refuse`] finds it.
#[inline(always)]
pub fn begin<A, P, T, W>(packet: &mut P, tables: &T, world: &W, entry: Entry) -> Option<Verdict>
where
    A: Ip + answer::Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    tables.resume_work(|work| {
        let sent = open(tables, world, entry, work).and_then(|()| {
            let Work { headers, flow, .. } = &*work;
            let reason = Reason::NewFlow;
            send(packet, tables, world, entry, headers, flow, reason, None)
        });
        match sent {
            Ok(verdict) => Some(verdict),
            Err(stop) => {
                work.stop = stop;
                answer::at_once(entry, stop)
            }
        }
    })?
}

/// How a packet is translated that a record translates.
#[inline(always)]
pub(crate) fn how<A: Ip>(flow: &Flow<A>) -> Reason {
    if flow.is_reply() {
        Reason::KnownReply
    } else {
        Reason::KnownFlow
    }
}

/// The first packet of a flow: `work.flow` becomes what to do with it and all that follow.
#[inline(always)]
pub(crate) fn open<A, T, W>(
    tables: &T,
    world: &W,
    entry: Entry,
    work: &mut Work<A>,
) -> Result<(), Stop>
where
    A: Ip + answer::Icmp,
    T: Tables<A>,
    W: World<A>,
{
    work.frontend.service = 0;
    record(tables, world, entry, work)?;
    tables.opened(entry, work);
    tables.settle(work);
    Ok(())
}

/// Finds a Service, a backend and a source, and records them.
#[inline(always)]
fn record<A, T, W>(tables: &T, world: &W, entry: Entry, work: &mut Work<A>) -> Result<(), Stop>
where
    A: Ip + answer::Icmp,
    T: Tables<A>,
    W: World<A>,
{
    work.is_crossed = 0;
    // 1. Is it for a Service, and may this client have it?
    match service::find(tables, entry, &work.headers, &mut work.frontend.service) {
        Ok(frontend) => work.frontend = frontend,
        Err(Reason::NotService) if may_cross(tables, world, entry, &work.headers) => {
            cross(work);
        }
        Err(reason) => return Err(reason.into()),
    }
    tables.settle(work);
    // 2. Who serves it?
    if work.is_crossed == 0 {
        let now_ns = world.now_ns();
        work.choice = select::backend(tables, entry, &work.headers, &work.frontend, now_ns)?;
        tables.settle(work);
    }
    // 3. With which source does the backend see it? This records both directions.
    source::record(tables, world, entry, work)?;
    Ok(())
}

/// Whether a pod dials directly, from the same port, whom it already talks to through a Service.
#[inline(always)]
fn may_cross<A, T, W>(tables: &T, world: &W, entry: Entry, headers: &Headers<A>) -> bool
where
    A: Ip,
    T: Tables<A>,
    W: World<A>,
{
    entry.role == Role::Pod && headers.may_open() && known::is_crossed(tables, world, headers)
}

/// Such a flow goes where it wants to, from another port.
#[inline(always)]
fn cross<A: Ip>(work: &mut Work<A>) {
    work.is_crossed = 1;
    work.frontend = Frontend::default();
    work.choice = Choice {
        id: BackendId(0),
        backend: Backend {
            addr: work.headers.key.dst,
            port: work.headers.key.dst_port,
            // Reached without masquerade, wherever it is.
            flags: flags::LOCAL,
            generation: 0,
        },
    };
}

/// Chooses the door, then writes the translation into the packet, last. Only `rare`
/// packets are SCTP or fragments.
#[expect(clippy::too_many_arguments, reason = "inlined: nothing is passed")]
#[inline(always)]
pub(crate) fn send<A: Ip, P: Packet, T: Tables<A>, W: World<A>>(
    packet: &mut P,
    tables: &T,
    world: &W,
    entry: Entry,
    headers: &Headers<A>,
    flow: &Flow<A>,
    reason: Reason,
    rare: Option<&Piece>,
) -> Result<Verdict, Stop> {
    let way = door::choose(packet, world, entry, headers, flow)?;
    match rewrite::apply(packet, headers, flow, &way, rare) {
        Some(()) => {
            tables.count(flow, packet.len());
            Ok(Verdict {
                reason,
                door: way.door_when_written(),
            })
        }
        // Half written at worst, so it must not travel on.
        None => Ok(Verdict {
            reason: Reason::WriteFailed,
            door: Door::Drop,
        }),
    }
}
