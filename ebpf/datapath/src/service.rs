//! Step 3: is it for a Service, and may this client have it?

use tidegate_abi::{
    Address, Frontend, FrontendKey, Reason, frontend::flags, settings::flags as settings,
};

use crate::{
    Packet, Tables,
    parse::{Headers, Ip},
    tcp,
    verdict::{Entry, Role},
};

/// The frontend that the packet's destination names; `service` becomes its owner, also when that refuses.
///
/// A packet that no Service owns is none of our business, unless its address lies in a service range:
/// such packets must not wander off by the default route (rules 2.4.9 and 2.4.10).
#[inline(always)]
pub fn find<A, T>(
    tables: &T,
    entry: Entry,
    headers: &Headers<A>,
    service: &mut u32,
) -> Result<Frontend, Reason>
where
    A: Address,
    T: Tables<A>,
{
    let key = &headers.key;
    // The unspecified address stands for the loopback in the socket hook, and for nobody on a wire.
    // Neither does a packet come from there, the loopback or a group: the stack drops such.
    if key.dst == A::default() || !key.src.may_send() {
        return Err(Reason::NotService);
    }
    let Some(frontend) = tables.frontend(&FrontendKey::new(key.dst, key.dst_port, key.proto))
    else {
        return Err(unowned(tables, entry, headers));
    };
    *service = frontend.service;
    if frontend.has(flags::INTERNAL) && is_outside(tables, entry, key.src) {
        return Err(Reason::ExternalClusterIp);
    }
    // On the client's own address, and before anything else is told about the Service (rules 3.6.5, 3.6.7).
    if frontend.has(flags::SOURCE_RANGES) && !tables.admits(frontend.service, key.src) {
        return Err(Reason::SourceRange);
    }
    if !headers.may_open() {
        return Err(mid_stream(headers));
    }
    Ok(frontend)
}

/// Decision 4: clusterIPs are for pods and nodes of the cluster.
#[inline(always)]
pub(crate) fn is_outside<A, T>(tables: &T, entry: Entry, client: A) -> bool
where
    A: Address,
    T: Tables<A>,
{
    entry.role == Role::Uplink
        && !tables.has_setting(settings::EXTERNAL_CLUSTER_IP)
        && !tables.in_pod_range(client)
}

/// Decision 3: the device says whether a client is a pod; its address is asked where the device does not.
#[inline(always)]
pub(crate) fn is_pod<A, T>(tables: &T, entry: Entry, client: A) -> bool
where
    A: Address,
    T: Tables<A>,
{
    entry.role == Role::Pod || tables.in_pod_range(client)
}

/// What becomes of a packet that cannot be translated: in a service range it would only wander off by
/// the default route, and perhaps come back by it (rules 2.4.10 and 2.4.12).
#[inline(always)]
pub fn guard<A, P, T>(packet: &P, tables: &T, l3: usize, reason: Reason) -> Reason
where
    A: Ip,
    P: Packet,
    T: Tables<A>,
{
    if !matches!(
        reason,
        Reason::NotTransport | Reason::Fragment | Reason::TooManyHeaders
    ) {
        return reason;
    }
    match A::destination(packet, l3) {
        Some(dst) if tables.in_service_range(dst) => Reason::Untranslatable,
        _ => reason,
    }
}

#[inline(always)]
fn unowned<A: Address, T: Tables<A>>(tables: &T, entry: Entry, headers: &Headers<A>) -> Reason {
    let dst = headers.key.dst;
    if !tables.in_service_range(dst) {
        return Reason::NotService;
    }
    if is_outside(tables, entry, headers.key.src) {
        return Reason::ExternalClusterIp;
    }
    match tables.frontend(&FrontendKey::of_address(dst)) {
        // A load-balancer address in a service range is not ours as a whole (rule 2.4.11).
        Some(address) if !address.has(flags::INTERNAL) => Reason::NotService,
        Some(_) if headers.tcp_flags & tcp::flag::RST != 0 => Reason::MidStreamReset,
        Some(_) => Reason::UnknownPort,
        None => Reason::NotOwned,
    }
}

/// A TCP segment to a frontend that opens nothing and belongs to nothing (decision 6): the sender is
/// told, so that it does not wait. Nobody answers a reset.
#[inline(always)]
fn mid_stream<A: Address>(headers: &Headers<A>) -> Reason {
    if headers.tcp_flags & tcp::flag::RST != 0 {
        Reason::MidStreamReset
    } else {
        Reason::MidStream
    }
}
