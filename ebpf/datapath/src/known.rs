//! Step 2: have we seen its flow? Looks a record up, decides whether it still counts, and keeps it fresh.

use tidegate_abi::{Address, BackendId, Flow, FrontendKey, Proto, flow::flags};

use crate::{
    Tables, Work, World,
    parse::Headers,
    tcp,
    verdict::{Entry, Role},
};

/// The record that translates this packet; `None`: the packet starts afresh.
#[inline(always)]
pub fn flow<A, T, W>(tables: &T, world: &W, entry: Entry, headers: &Headers<A>) -> Option<T::Own>
where
    A: Address,
    T: Tables<A>,
    W: World<A>,
{
    let flow = tables.own_flow(&headers.key)?;
    let now = world.tick();
    if is_idle(&flow, now) {
        return None;
    }
    if flow.is_reply() {
        if is_strangers(tables, headers, &flow) {
            return None;
        }
    } else if !counts(tables, headers, &flow) {
        return None;
    }
    let moves = headers.key.proto != Proto::UDP && tcp::moves(headers.tcp_flags);
    // The port of a flow that is over may have been given to another at any moment.
    let doubtful = !flow.is_reply() && tcp::is_over(flow.state);
    let may_have_moved = !flow.is_reply() && may_have_moved(tables, headers, &flow);
    if is_due(&flow, now) || may_have_moved || moves || doubtful || may_settle(&flow) {
        let kept = tables.with_work(headers, |work| {
            work.flow = *flow;
            work.reply_key = flow.opposite(headers.key.proto);
            maintain(tables, entry, work, now, moves)
        });
        if kept == Some(false) {
            return None;
        }
    }
    Some(flow)
}

/// Ticks from one look after a flow's records to the next: with a million of them, each with a packet a second, a
/// look for each packet costs more than the packet.
const LOOK_TICKS: u32 = 4;

/// Whether it is time to look after a flow's records. An idle flow is forgotten so many ticks early at most, of
/// which those of UDP have enough ([`tcp::idle_ticks`]); connections that open or end soon move on.
#[inline(always)]
fn is_due<A>(flow: &Flow<A>, now: u32) -> bool {
    if matches!(flow.state, tcp::OPEN | tcp::NONE | tcp::ANSWERED) {
        // Another CPU may have written a later tick than the one read here.
        return now.saturating_sub(flow.seen) >= LOOK_TICKS;
    }
    flow.seen != now
}

/// Stands for the device of a reply record that is not there; no device has this index.
const NO_RECORD: u32 = u32::MAX;

/// What a record needs once in a while, and at the turns of a TCP connection; `false`: it is void.
///
/// A forward record whose reply record has become another flow's must not be used: its packets would
/// reach the other's connection (rule 3.2.2).
#[inline(always)]
fn maintain<A, T>(tables: &T, entry: Entry, work: &mut Work<A>, now: u32, moves: bool) -> bool
where
    A: Address,
    T: Tables<A>,
{
    // Plain values with a default each: of an absent record the compiler would read what was never set.
    let (is_ours, device, state) = match tables.flow(&work.reply_key) {
        Some(other) => (other.leads_to(&work.headers.key), other.device, other.state),
        None => (true, NO_RECORD, work.flow.state),
    };
    if !work.flow.is_reply() && !is_ours {
        tables.remove_flow(&work.headers.key);
        return false;
    }
    if is_ours && has_moved(tables, work) {
        tables.remove_flow(&work.reply_key);
        tables.remove_flow(&work.headers.key);
        return false;
    }
    if work.flow.seen != now {
        // The forward record carries the time that counts (rule 5.2.14).
        if is_ours {
            tables.touch_flow(&work.reply_key, now);
        }
        refresh(tables, entry, work, device, now);
    }
    if !is_ours {
        return true;
    }
    if moves {
        let forward = if work.flow.is_reply() {
            state
        } else {
            work.flow.state
        };
        advance(tables, work, forward);
    } else if may_settle(&work.flow) {
        settle(tables, entry, work, now);
    }
    true
}

/// Whether any address was taken from a Service since this UDP flow was looked after.
///
/// Who tells reads a clock that may be behind ours by a moment, and the look may have been earlier in that tick.
#[inline(always)]
fn may_have_moved<A: Address, T: Tables<A>>(
    tables: &T,
    headers: &Headers<A>,
    flow: &Flow<A>,
) -> bool {
    headers.key.proto == Proto::UDP && flow.seen <= tables.moved().saturating_add(1)
}

/// Whether the address that a UDP client dialled has been taken away from the Service, or given to another
/// one: then its flow begins anew, though its backend still serves (rules 5.2.9 and 5.2.12).
///
/// Replies ask, too: they note the time for both records, so that the client's packets might never be due.
#[inline(always)]
fn has_moved<A: Address, T: Tables<A>>(tables: &T, work: &Work<A>) -> bool {
    let Work { headers, flow, .. } = work;
    let key = &headers.key;
    if key.proto != Proto::UDP || flow.backend == 0 {
        return false;
    }
    let (dialled, port) = if flow.is_reply() {
        (flow.src, flow.src_port)
    } else {
        (key.dst, key.dst_port)
    };
    match tables.frontend(&FrontendKey::new(dialled, port, key.proto)) {
        Some(frontend) => frontend.service != work.flow.service,
        None => true,
    }
}

/// Whether a packet with a reply record's tuple belongs to somebody who dialled the backend directly from
/// the same port.
#[inline(always)]
fn is_strangers<A: Address, T: Tables<A>>(
    tables: &T,
    headers: &Headers<A>,
    flow: &Flow<A>,
) -> bool {
    let sent = headers.tcp_flags;
    // A SYN-ACK when the flow is over: the record is in the way and goes.
    let is_old = tcp::is_over(flow.state) && sent & tcp::flag::SYN != 0;
    // The backend answers our SYN as one on a connection that it has (RFC 5961, section 4.2): so has the client.
    // The client's next SYN gets another port.
    let is_crossed = flow.state == tcp::OPENING
        && flow.flags & flags::MASQUERADE == 0
        && sent & (tcp::flag::SYN | tcp::flag::RST) == 0;
    if !is_old && !is_crossed {
        return flow.is_void();
    }
    // By now the other half may be another flow's, which lives on.
    let forward = flow.opposite(headers.key.proto);
    match tables.flow(&forward) {
        Some(other) if other.leads_to(&headers.key) => tables.remove_flow(&forward),
        _ => {}
    }
    if is_old {
        tables.remove_flow(&headers.key);
    } else {
        tables.void_flow(&headers.key);
    }
    true
}

/// Whether a client that dials a backend directly has a flow with it through a Service from the same port: the
/// backend could not tell them apart, nor could we tell its replies.
#[inline(always)]
pub fn is_crossed<A, T, W>(tables: &T, world: &W, headers: &Headers<A>) -> bool
where
    A: Address,
    T: Tables<A>,
    W: World<A>,
{
    match tables.flow(&headers.key.reversed()) {
        Some(flow) => {
            let lives = !tcp::is_over(flow.state) && !flow.is_void();
            flow.is_reply() && lives && !is_idle(&flow, world.tick())
        }
        None => false,
    }
}

/// Whether a forward record still decides about this packet.
#[inline(always)]
fn counts<A: Address, T: Tables<A>>(tables: &T, headers: &Headers<A>, flow: &Flow<A>) -> bool {
    if headers.key.proto != Proto::UDP {
        if !tcp::opens(headers.tcp_flags) {
            return true;
        }
        // A new connection on an old tuple is a new flow (rule 5.3.1); a SYN on a live one is not (rule 5.3.2).
        if tcp::is_over(flow.state) {
            return false;
        }
    }
    // Not through a Service at all, see `journey::open`.
    if flow.backend == 0 {
        return true;
    }
    // UDP never outlives its backend (rules 5.2.1 and 5.2.2), and nobody dials one that is gone (rule 5.3.9).
    match tables.backend(BackendId(flow.backend)) {
        Some(backend) => backend.serves(flow.generation),
        None => false,
    }
}

/// Whether a record has been idle for too long.
#[inline(always)]
pub fn is_idle<A>(flow: &Flow<A>, now: u32) -> bool {
    // Another CPU may have written a later tick than the one read here.
    let idle = now.saturating_sub(flow.seen);
    idle > tcp::idle_ticks(flow.state)
}

/// Notes the time, and lets the forward record repair a missing reply record.
#[inline(always)]
fn refresh<A, T>(tables: &T, entry: Entry, work: &mut Work<A>, replies_to: u32, now: u32)
where
    A: Address,
    T: Tables<A>,
{
    tables.touch_flow(&work.headers.key, now);
    if work.flow.is_reply() {
        return;
    }
    if work.flow.state == tcp::RESET && work.headers.tcp_flags & tcp::flag::RST == 0 {
        work.flow.state = tcp::OPEN;
        tables.set_flow_state(&work.headers.key, tcp::OPEN);
        tables.set_flow_state(&work.reply_key, tcp::OPEN);
    }
    // The client's pod may have got a new device.
    let device = reply_device(tables, entry, work.headers.key.src);
    if replies_to != device {
        make_reply(work, device, now);
        let _recorded: bool = tables.put_flow(&work.reply_key, &work.reply);
    }
}

/// Whether this packet brings a flow nearer to being settled.
#[inline(always)]
fn may_settle<A>(flow: &Flow<A>) -> bool {
    if flow.flags & flags::SETTLED != 0 {
        return false;
    }
    if flow.flags & flags::REPLY != 0 {
        return flow.state == tcp::NONE;
    }
    is_answered(flow.state)
}

#[inline(always)]
fn is_answered(state: u16) -> bool {
    state == tcp::OPEN || state == tcp::ANSWERED
}

/// Moves a flow to the records that no flood of first packets pushes out, when the client has spoken, was
/// answered, and speaks again (decision 20).
#[inline(always)]
fn settle<A, T>(tables: &T, entry: Entry, work: &mut Work<A>, now: u32)
where
    A: Address,
    T: Tables<A>,
{
    if work.flow.is_reply() {
        tables.set_flow_state(&work.headers.key, tcp::ANSWERED);
        tables.set_flow_state(&work.reply_key, tcp::ANSWERED);
        return;
    }
    work.flow.flags |= flags::SETTLED;
    work.flow.seen = now;
    let device = reply_device(tables, entry, work.headers.key.src);
    make_reply(work, device, now);
    // The reply first: who takes its tuple for free must find it in one of the two maps.
    if tables.put_flow(&work.reply_key, &work.reply) {
        let _recorded: bool = tables.put_flow(&work.headers.key, &work.flow);
    }
}

/// The pod device that replies can be handed to at once: the client's. That is not always the one at which the packet
/// entered, since anybody may write another's address into it.
#[inline(always)]
pub fn reply_device<A: Address, T: Tables<A>>(tables: &T, entry: Entry, client: A) -> u32 {
    if entry.role != Role::Pod {
        return 0;
    }
    pod_device(tables, client)
}

/// The device behind which the pod with this address is, if frames can be handed to its other end; else 0.
#[inline(always)]
pub fn pod_device<A: Address, T: Tables<A>>(tables: &T, addr: A) -> u32 {
    let Some(pod) = tables.local_pod(addr) else {
        return 0;
    };
    match tables.device(pod.device) {
        Some(device) if device.flags & tidegate_abi::device::flags::PEER != 0 => pod.device,
        _ => 0,
    }
}

/// Makes the reply record that belongs to the forward record in `work`.
///
/// Field by field: a record built on the stack first would be the one too many there.
#[inline(always)]
pub fn make_reply<A: Address>(work: &mut Work<A>, device: u32, now: u32) {
    let Work {
        headers,
        flow: forward,
        reply,
        ..
    } = work;
    reply.src = headers.key.dst;
    reply.dst = headers.key.src;
    reply.src_port = headers.key.dst_port;
    reply.dst_port = headers.key.src_port;
    reply.backend = forward.backend;
    reply.generation = forward.generation;
    reply.device = device;
    reply.service = forward.service;
    reply.seen = now;
    reply.created = forward.created;
    reply.flags = forward.flags | flags::REPLY;
    reply.state = forward.state;
}

/// Moves the TCP state. The forward record decides; the reply record carries a copy, so that the port
/// allocator can tell from it alone whether a tuple is free.
#[inline(always)]
fn advance<A: Address, T: Tables<A>>(tables: &T, work: &Work<A>, state: u16) {
    let from_client = !work.flow.is_reply();
    let next = tcp::next(state, work.headers.tcp_flags, from_client);
    if next != state {
        tables.set_flow_state(&work.headers.key, next);
        tables.set_flow_state(&work.reply_key, next);
    }
}
