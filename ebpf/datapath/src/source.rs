//! Step 5: with which source does the backend see the flow? Then both directions are recorded.
//!
//! A masqueraded flow gets a port of our own range, hashed start and bounded probe; a flow that keeps
//! its source keeps its port too, unless another live flow of the same client already uses it with this
//! backend (rule 3.2.3). The reply record is what makes a tuple ours: it is added only if absent.

use tidegate_abi::{
    Address, Flow, FlowKey, Frontend, Port, Reason, flow::flags, frontend, settings,
};

use crate::{
    Insert, Tables, Work, World, known,
    parse::Headers,
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
) -> Result<(), Reason>
where
    A: Address,
    T: Tables<A>,
    W: World<A>,
{
    let now = world.tick();
    let Work {
        headers: Headers { key, .. },
        frontend: service,
        choice,
        ..
    } = &*work;
    let opening = work.headers.tcp_flags & tcp::flag::SYN != 0;
    let wants_masquerade = is_masqueraded(tables, entry, key, service, choice);
    // In place, field by field of what is small: the kernel's stack holds few copies of a record.
    work.flow = Flow {
        src: key.src,
        dst: choice.backend.addr,
        src_port: key.src_port,
        dst_port: choice.backend.port,
        backend: choice.id.0,
        generation: choice.backend.generation,
        device: forward_device(tables, entry, key, choice),
        service: service.service,
        seen: now,
        created: now,
        flags: 0,
        state: if opening { tcp::OPENING } else { tcp::NONE },
    };
    let masquerade = wants_masquerade && set_source(tables, world, entry, work)?;
    claim(tables, world, entry, work, masquerade)?;
    if tables.put_flow(&work.headers.key, &work.flow) {
        return Ok(());
    }
    tables.remove_flow(&work.reply_key);
    Err(Reason::FlowTableFull)
}

/// Whether the source is replaced (table 3.1, decision 2, rules 3.1.11 and 3.3.1).
#[inline(always)]
fn is_masqueraded<A: Address, T: Tables<A>>(
    tables: &T,
    entry: Entry,
    key: &FlowKey<A>,
    service: &Frontend,
    choice: &Choice<A>,
) -> bool {
    if service.has(frontend::flags::INTERNAL) && tables.has_setting(settings::flags::MASQUERADE_ALL)
    {
        return true;
    }
    let internal = service.flags & (frontend::flags::INTERNAL | frontend::flags::LOCAL_ONLY) != 0;
    let pods_own = entry.role == Role::Pod && internal;
    let hairpin = choice.backend.addr == key.src;
    hairpin || !(choice.backend.is_local() || pods_own)
}

/// Puts the address to masquerade to into the flow: for a hairpin the node's, else that of the device
/// by which the backend is reached (rules 3.3.1 and 3.2.1). `false`: it is a process of this host, which takes no
/// packets from the host's own addresses, and whose replies pass here anyway (rule 3.1.17).
#[inline(always)]
fn set_source<A, T, W>(
    tables: &T,
    world: &W,
    entry: Entry,
    work: &mut Work<A>,
) -> Result<bool, Reason>
where
    A: Address,
    T: Tables<A>,
    W: World<A>,
{
    let hairpin = work.flow.dst == work.headers.key.src;
    work.flow.src = tables.node_address();
    if !hairpin {
        work.reply_key = work.flow.opposite(work.headers.key.proto).reversed();
        work.reply_key.src = work.headers.key.src;
        match world.route(entry.device, &work.reply_key, 0) {
            Route::Via { device, .. } => match tables.device(device) {
                Some(device) if A::of_device(&device) != A::default() => {
                    work.flow.src = A::of_device(&device);
                }
                _ => {}
            },
            Route::None if work.choice.backend.is_local() => {
                work.flow.src = work.headers.key.src;
                return Ok(false);
            }
            _ => {}
        }
    }
    if work.flow.src == A::default() {
        return Err(Reason::NoMasqueradeAddress);
    }
    work.flow.flags = flags::MASQUERADE;
    Ok(true)
}

/// The pod device behind which the backend sits; 0: ask the routing table for each packet.
#[inline(always)]
fn forward_device<A, T>(tables: &T, entry: Entry, key: &FlowKey<A>, choice: &Choice<A>) -> u32
where
    A: Address,
    T: Tables<A>,
{
    if choice.backend.addr == key.src {
        return known::reply_device(tables, entry, key.src);
    }
    if !choice.backend.is_local() {
        return 0;
    }
    known::pod_device(tables, choice.backend.addr)
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
    let now = work.flow.seen;
    let device = known::reply_device(tables, entry, work.headers.key.src);
    known::make_reply(work, device, now);
    let Work {
        headers,
        flow,
        reply,
        reply_key: at,
        is_crossed,
        over,
        ..
    } = work;
    let key = &headers.key;
    let mut attempt = 0;
    let (first, last) = tables.masquerade_ports();
    let size = u32::from(last.wrapping_sub(first)).wrapping_add(1);
    let start =
        (u64::from(select::finish(select::hash(key))).wrapping_mul(u64::from(size)) >> 32) as u32;
    // A flow that keeps its source tries its own port first, then the range like the others.
    let own = if masquerade || *is_crossed != 0 { 0 } else { 1 };
    *over = Port::default();
    while attempt < PROBES && attempt < size.wrapping_add(own) {
        if own == 0 || attempt > 0 {
            let mut offset = start.wrapping_add(attempt.wrapping_sub(own));
            if offset >= size {
                offset = offset.wrapping_sub(size);
            }
            flow.src_port = Port::new(first.wrapping_add(offset as u16));
        }
        let is_own = own > attempt;
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
        match usable(tables, key, at, flow.seen) {
            Usable::Now if tables.put_flow(at, reply) => return Ok(()),
            Usable::Over if is_own && tables.put_flow(at, reply) => return Ok(()),
            Usable::Over => *over = flow.src_port,
            _ => {}
        }
    }
    // Nobody's was there: of those that are over the one that was met last.
    if *over == Port::default() {
        return Err(Reason::NoMasqueradePort);
    }
    flow.src_port = *over;
    *at = flow.opposite(key.proto);
    if tables.put_flow(at, reply) {
        return Ok(());
    }
    Err(Reason::NoMasqueradePort)
}

/// Whether a tuple can be had whose reply record is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Usable {
    /// It is this flow's own, or nobody has used it for too long.
    Now,
    /// If there is no other: its connection is over, but may have segments on their way, and a reset one may live
    /// (rule 5.3.4).
    Over,
    /// It is another's.
    Never,
}

#[inline(always)]
fn usable<A: Address, T: Tables<A>>(
    tables: &T,
    key: &FlowKey<A>,
    at: &FlowKey<A>,
    now: u32,
) -> Usable {
    match tables.flow(at) {
        Some(reply) if reply.leads_to(key) || known::is_idle(&reply, now) => Usable::Now,
        Some(reply) if tcp::is_over(reply.state) => Usable::Over,
        Some(_) => Usable::Never,
        None => Usable::Now,
    }
}
