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

/// Runs the journey of a packet of one family, whose IP header begins at `l3`.
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
    let headers = match parse::headers::<A, P>(packet, l3) {
        Ok(headers) => headers,
        Err(reason) if aside::takes(reason) => {
            return Verdict {
                reason,
                door: Door::Aside,
            };
        }
        Err(reason) => return aside::untranslated::<A, _, _>(packet, tables, l3, reason),
    };
    match travel(packet, tables, world, entry, &headers) {
        Ok(verdict) => verdict,
        Err(stop) => answer::conclude(packet, tables, world, &headers, entry, stop),
    }
}

/// The journey of a packet whose headers are known.
#[inline(always)]
fn travel<A, P, T, W>(
    packet: &mut P,
    tables: &T,
    world: &W,
    entry: Entry,
    headers: &Headers<A>,
) -> Result<Verdict, Stop>
where
    A: Ip + answer::Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    // A flow that we know: apply its record, ask nothing else.
    if let Some(flow) = known::flow(tables, world, entry, headers) {
        let sent = send(
            packet,
            tables,
            world,
            entry,
            headers,
            &flow,
            how(&flow),
            None,
        );
        if sent.is_err() {
            blame(tables, &flow);
        }
        return sent;
    }
    let opened = tables.with_work(headers, |work| {
        open(tables, world, entry, work)?;
        let Work { headers, flow, .. } = &*work;
        send(
            packet,
            tables,
            world,
            entry,
            headers,
            flow,
            Reason::NewFlow,
            None,
        )
    });
    opened.unwrap_or(Err(Stop::default()))
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

/// Leaves the service port of a packet that cannot be sent where [`Tables::stopped`] finds it.
#[inline(always)]
fn blame<A: Ip, T: Tables<A>>(tables: &T, flow: &Flow<A>) {
    let _kept: Option<()> = tables.resume_work(|work| work.frontend.service = flow.service);
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
                door: way.door(),
            })
        }
        // Half written at worst, so it must not travel on.
        None => Ok(Verdict {
            reason: Reason::WriteFailed,
            door: Door::Drop,
        }),
    }
}
