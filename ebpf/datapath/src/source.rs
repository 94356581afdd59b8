//! Step 5: with which source does the backend see the flow? Then both directions are recorded.
//!
//! A masqueraded flow gets a port of our own range, hashed start and bounded probe; a flow that keeps
//! its source keeps its port too, unless another live flow of the same client already uses it with this
//! backend (rule 3.2.3). The reply record is what makes a tuple ours: it is added only if absent.

use tidegate_abi::{Address, Flow, FlowKey, Frontend, Port, Reason, device, flow::flags, frontend};

use crate::{
    Insert, Tables, Work, World, known,
    select::{self, Choice},
    tcp,
    verdict::{Entry, Role},
    world::Route,
};

/// How many ports of the range are tried.
pub const PROBES: u32 = 16;

/// Makes the flow's two records and stores them.
#[inline(always)]
pub fn record<A, T, W>(
    tables: &T,
    world: &W,
    entry: Entry,
    work: &mut Work<A>,
    service: &Frontend,
    choice: &Choice<A>,
) -> Result<(), Reason>
where
    A: Address,
    T: Tables<A>,
    W: World<A>,
{
    let now = world.tick();
    let masquerade = masquerade_address(tables, world, entry, work, service, choice)?;
    let key = &work.headers.key;
    let opening = work.headers.tcp_flags & tcp::flag::SYN != 0;
    work.flow = Flow {
        src: masquerade.unwrap_or(key.src),
        dst: choice.backend.addr,
        src_port: key.src_port,
        dst_port: choice.backend.port,
        backend: choice.id.0,
        generation: choice.backend.generation,
        device: forward_device(tables, entry, key, choice),
        service: service.service,
        seen: now,
        created: now,
        flags: if masquerade.is_some() {
            flags::MASQUERADE
        } else {
            0
        },
        state: if opening { tcp::OPENING } else { tcp::NONE },
    };
    claim(tables, world, entry, work, masquerade.is_some())?;
    if tables.put_flow(&work.headers.key, &work.flow) {
        return Ok(());
    }
    tables.remove_flow(&work.reply_key);
    Err(Reason::FlowTableFull)
}

/// The address to masquerade to; `None`: the source stays (table 3.1, decision 2, rule 3.3.1).
#[inline(always)]
fn masquerade_address<A, T, W>(
    tables: &T,
    world: &W,
    entry: Entry,
    work: &mut Work<A>,
    service: &Frontend,
    choice: &Choice<A>,
) -> Result<Option<A>, Reason>
where
    A: Address,
    T: Tables<A>,
    W: World<A>,
{
    let hairpin = choice.backend.addr == work.headers.key.src;
    if !hairpin {
        let internal =
            service.flags & (frontend::flags::INTERNAL | frontend::flags::LOCAL_ONLY) != 0;
        let pods_own = entry.role == Role::Pod && internal;
        if choice.backend.is_local() || pods_own {
            return Ok(None);
        }
    }
    let addr = if hairpin {
        tables.node_address()
    } else {
        outgoing(tables, world, entry, work, choice)
    };
    if addr == A::default() {
        Err(Reason::NoMasqueradeAddress)
    } else {
        Ok(Some(addr))
    }
}

/// The address of the device by which the backend is reached (rule 3.2.1), else the node's.
#[inline(always)]
fn outgoing<A, T, W>(
    tables: &T,
    world: &W,
    entry: Entry,
    work: &mut Work<A>,
    choice: &Choice<A>,
) -> A
where
    A: Address,
    T: Tables<A>,
    W: World<A>,
{
    let Work {
        headers,
        reply_key: ahead,
        ..
    } = work;
    *ahead = FlowKey {
        dst: choice.backend.addr,
        dst_port: choice.backend.port,
        ..headers.key
    };
    if let Route::Via { device, .. } = world.route(entry.device, ahead, 0)
        && let Some(device) = tables.device(device)
        && A::of_device(&device) != A::default()
    {
        return A::of_device(&device);
    }
    tables.node_address()
}

/// The pod device behind which the backend sits; 0: ask the routing table for each packet.
#[inline(always)]
fn forward_device<A, T>(tables: &T, entry: Entry, key: &FlowKey<A>, choice: &Choice<A>) -> u32
where
    A: Address,
    T: Tables<A>,
{
    if choice.backend.addr == key.src {
        return known::reply_device(tables, entry);
    }
    if !choice.backend.is_local() {
        return 0;
    }
    let Some(pod) = tables.local_pod(choice.backend.addr) else {
        return 0;
    };
    match tables.device(pod.device) {
        Some(device) if device.flags & device::flags::PEER != 0 => pod.device,
        _ => 0,
    }
}

/// Adds the reply record under the first tuple that is free, and gives the flow that tuple's port.
#[inline(always)]
fn claim<A, T, W>(
    tables: &T,
    world: &W,
    entry: Entry,
    work: &mut Work<A>,
    masquerade: bool,
) -> Result<(), Reason>
where
    A: Address,
    T: Tables<A>,
    W: World<A>,
{
    let Work {
        headers,
        flow,
        reply,
        reply_key: at,
    } = work;
    let key = &headers.key;
    *reply = known::reply_of(key, flow, known::reply_device(tables, entry), flow.seen);
    let (first, last) = tables.masquerade_ports();
    let size = u32::from(last.wrapping_sub(first)).wrapping_add(1);
    let start =
        (u64::from(select::finish(select::hash(key))).wrapping_mul(u64::from(size)) >> 32) as u32;
    let mut attempt = 0;
    // A flow that keeps its source tries its own port first, then the range like the others.
    let own = if masquerade { 0 } else { 1 };
    while attempt < PROBES && attempt < size.wrapping_add(own) {
        if masquerade || attempt > 0 {
            let mut offset = start.wrapping_add(attempt.wrapping_sub(own));
            if offset >= size {
                offset = offset.wrapping_sub(size);
            }
            flow.src_port = Port::new(first.wrapping_add(offset as u16));
        }
        attempt = attempt.wrapping_add(1);
        *at = flow.opposite(key.proto);
        if masquerade && world.socket_answers(at) {
            continue;
        }
        match tables.add_flow(at, reply) {
            Insert::Done => return Ok(()),
            Insert::Full => return Err(Reason::FlowTableFull),
            Insert::Exists => {}
        }
        if is_free(tables, key, at, flow.seen) && tables.put_flow(at, reply) {
            return Ok(());
        }
    }
    Err(Reason::NoMasqueradePort)
}

/// Whether an existing reply record may be taken over: it is this flow's own, or its flow is over.
#[inline(always)]
fn is_free<A: Address, T: Tables<A>>(
    tables: &T,
    key: &FlowKey<A>,
    at: &FlowKey<A>,
    now: u32,
) -> bool {
    match tables.flow(at) {
        Some(reply) => {
            reply.leads_to(key) || tcp::is_over(reply.state) || known::is_idle(&reply, now)
        }
        None => true,
    }
}
