//! Step 2: have we seen its flow? Looks a record up, decides whether it still counts, and keeps it fresh.

use tidegate_abi::{Address, BackendId, Flow, FlowKey, Proto, flow::flags};

use crate::{
    Tables, Work, World,
    parse::Headers,
    tcp,
    verdict::{Entry, Role},
};

/// The record that translates this packet; `None`: the packet starts afresh.
#[inline(always)]
pub fn flow<A, T, W>(tables: &T, world: &W, entry: Entry, headers: &Headers<A>) -> Option<Flow<A>>
where
    A: Address,
    T: Tables<A>,
    W: World<A>,
{
    let flow = tables.flow(&headers.key)?;
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
    let moves = headers.key.proto == Proto::TCP && tcp::moves(headers.tcp_flags);
    if flow.seen != now || moves {
        let _lent = tables.with_work(headers, |work| {
            work.flow = flow;
            maintain(tables, entry, work, now, moves);
        });
    }
    Some(flow)
}

/// What a record needs at most once a tick, and at the turns of a TCP connection.
#[inline(always)]
fn maintain<A, T>(tables: &T, entry: Entry, work: &mut Work<A>, now: u32, moves: bool)
where
    A: Address,
    T: Tables<A>,
{
    work.reply_key = work.flow.opposite(work.headers.key.proto);
    if work.flow.seen != now {
        refresh(tables, entry, work, now);
    }
    if moves {
        advance(tables, work);
    }
}

/// A SYN-ACK on the record of a flow that is over answers somebody who dialled the backend directly
/// from the same port: the record is in the way and goes.
#[inline(always)]
fn is_strangers<A: Address, T: Tables<A>>(
    tables: &T,
    headers: &Headers<A>,
    flow: &Flow<A>,
) -> bool {
    let stale = tcp::is_over(flow.state) && headers.tcp_flags & tcp::flag::SYN != 0;
    if stale {
        tables.remove_flow(&headers.key);
    }
    stale
}

/// Whether a forward record still decides about this packet.
#[inline(always)]
fn counts<A: Address, T: Tables<A>>(tables: &T, headers: &Headers<A>, flow: &Flow<A>) -> bool {
    if headers.key.proto == Proto::TCP {
        // A new connection on an old tuple is a new flow (rule 5.3.1); a SYN on a live one is not.
        return !(tcp::opens(headers.tcp_flags) && tcp::is_over(flow.state));
    }
    // UDP never outlives its backend (rules 5.2.1 and 5.2.2).
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

/// Once a tick and flow: notes the time, and lets the forward record repair a missing reply record.
#[inline(always)]
fn refresh<A, T>(tables: &T, entry: Entry, work: &mut Work<A>, now: u32)
where
    A: Address,
    T: Tables<A>,
{
    let Work {
        headers,
        flow,
        reply,
        reply_key: other,
    } = work;
    tables.touch_flow(&headers.key, now);
    if flow.is_reply() {
        // The forward record carries the time that counts (rule 5.2.14).
        tables.touch_flow(other, now);
        return;
    }
    if flow.state == tcp::RESET && headers.tcp_flags & tcp::flag::RST == 0 {
        flow.state = tcp::OPEN;
        tables.set_flow_state(&headers.key, tcp::OPEN);
        tables.set_flow_state(other, tcp::OPEN);
    }
    let device = reply_device(tables, entry);
    match tables.flow(other) {
        // The client's pod may have got a new device; somebody else's record stays.
        Some(record) if record.device == device || !record.leads_to(&headers.key) => {
            tables.touch_flow(other, now);
        }
        _ => {
            *reply = reply_of(&headers.key, flow, device, now);
            let _recorded: bool = tables.put_flow(other, reply);
        }
    }
}

/// The pod device that replies can be handed to at once: the one at which the client's packets enter.
#[inline(always)]
pub fn reply_device<A: Address, T: Tables<A>>(tables: &T, entry: Entry) -> u32 {
    if entry.role != Role::Pod {
        return 0;
    }
    match tables.device(entry.device) {
        Some(device) if device.flags & tidegate_abi::device::flags::PEER != 0 => entry.device,
        _ => 0,
    }
}

/// The reply record that belongs to a forward record.
#[inline(always)]
pub fn reply_of<A: Address>(key: &FlowKey<A>, forward: &Flow<A>, device: u32, now: u32) -> Flow<A> {
    Flow {
        src: key.dst,
        dst: key.src,
        src_port: key.dst_port,
        dst_port: key.src_port,
        backend: forward.backend,
        generation: forward.generation,
        device,
        service: forward.service,
        seen: now,
        created: forward.created,
        flags: forward.flags | flags::REPLY,
        state: forward.state,
    }
}

/// Moves the TCP state. The forward record decides; the reply record carries a copy, so that the port
/// allocator can tell from it alone whether a tuple is free.
#[inline(always)]
fn advance<A: Address, T: Tables<A>>(tables: &T, work: &Work<A>) {
    let from_client = !work.flow.is_reply();
    let state = if from_client {
        work.flow.state
    } else {
        match tables.flow(&work.reply_key) {
            Some(forward) => forward.state,
            None => return,
        }
    };
    let next = tcp::next(state, work.headers.tcp_flags, from_client);
    if next != state {
        tables.set_flow_state(&work.headers.key, next);
        tables.set_flow_state(&work.reply_key, next);
    }
}
