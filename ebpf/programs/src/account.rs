//! Where packets are counted, and told of to whoever listens.

use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_ns};
use tidegate_abi::{Address as _, Event, EventFilter, Flow, FlowKey, Ip6, Port, Reason, Traffic};

use crate::{
    maps::{COUNTERS, DROPPED, EVENT_FILTER, EVENTS, SERVICE_TRAFFIC},
    tables::Family,
};

/// Reasons of packets that are told of by their reason alone: of most no tuple is known, and the others have
/// been told of by the reason for which they met this one.
const BARE: u64 = bit(Reason::Truncated)
    | bit(Reason::Malformed)
    | bit(Reason::RejectFailed)
    | bit(Reason::WriteFailed)
    | bit(Reason::Untranslatable)
    | bit(Reason::RateLimited)
    | bit(Reason::FragmentHeld)
    | bit(Reason::FragmentLost);

const fn bit(reason: Reason) -> u64 {
    1 << (reason as u32 & 63)
}

/// Counts a packet under its reason.
#[inline(always)]
pub(crate) fn count(reason: Reason, bytes: u64) {
    if let Some(counter) = COUNTERS.get_ptr_mut(reason as u32) {
        // SAFETY: the entry of this CPU, which no other writes.
        unsafe {
            (*counter).packets = (*counter).packets.wrapping_add(1);
            (*counter).bytes = (*counter).bytes.wrapping_add(bytes);
        }
    }
}

/// Counts a translated packet for its service port and its backend. A function of its own: inlined, each of its
/// ways would be walked again for each way that leads here.
#[inline(never)]
pub(crate) fn translated<A: Family>(service: u32, backend: u32, is_reply: u32, bytes: u64) {
    // SAFETY: here and below: the entry of this CPU, which no other writes.
    let add = |traffic: *mut Traffic| unsafe {
        if is_reply != 0 {
            (*traffic).reply_packets = (*traffic).reply_packets.wrapping_add(1);
            (*traffic).reply_bytes = (*traffic).reply_bytes.wrapping_add(bytes);
        } else {
            (*traffic).packets = (*traffic).packets.wrapping_add(1);
            (*traffic).bytes = (*traffic).bytes.wrapping_add(bytes);
        }
    };
    if let Some(traffic) = SERVICE_TRAFFIC.get_ptr_mut(service) {
        add(traffic);
    }
    if let Some(traffic) = A::BACKEND_TRAFFIC.get_ptr_mut(backend) {
        add(traffic);
    }
}

/// Counts a new flow.
#[inline(always)]
pub(crate) fn opened<A: Family>(service: u32, backend: u32) {
    if let Some(traffic) = SERVICE_TRAFFIC.get_ptr_mut(service) {
        // SAFETY: as above.
        unsafe { (*traffic).opened = (*traffic).opened.wrapping_add(1) };
    }
    if let Some(traffic) = A::BACKEND_TRAFFIC.get_ptr_mut(backend) {
        // SAFETY: as above.
        unsafe { (*traffic).opened = (*traffic).opened.wrapping_add(1) };
    }
}

/// Counts a packet that was rejected or dropped on its way to a service port.
#[inline(always)]
pub(crate) fn refused(service: u32) {
    if let Some(traffic) = SERVICE_TRAFFIC.get_ptr_mut(service) {
        // SAFETY: as above.
        unsafe { (*traffic).refused = (*traffic).refused.wrapping_add(1) };
    }
}

/// What became of a packet, where, and for whom. One parameter instead of four: each of them would wait on the
/// stack while the kernel is asked something.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// A [`Reason`].
    pub(crate) reason: Reason,
    /// Interface index; 0: a socket.
    pub(crate) device: u32,
    /// Service port; 0: none.
    pub(crate) service: u32,
    /// The packet's length.
    pub(crate) len: u32,
}

/// Tells of a packet that was dropped without a word about its tuple.
#[inline(always)]
pub(crate) fn bare(reason: Reason, device: u32, len: u64) {
    // Through memory: what the verifier knows of each reason that leads here would have it walk on from here
    // once for each.
    let Some(dropped) = DROPPED.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: the entry of this CPU, which nobody else uses while the program runs.
    unsafe {
        (*dropped) = [reason as u32, device, len as u32];
        core::arch::asm!("{0} = {0}", inout(reg) dropped => _, options(nostack));
    }
    tell_bare();
}

#[inline(never)]
fn tell_bare() {
    let (Some(dropped), Some(filter)) = (DROPPED.get(0), EVENT_FILTER.get(0)) else {
        return;
    };
    let [reason, device, len] = *dropped;
    if BARE & filter.reasons & (1 << (reason & 63)) == 0 {
        return;
    }
    // Of no service port, and of no address: who asks for one of these does not mean this packet.
    if filter.service != 0 || !is_in(filter, &Ip6::default()) || is_left_out(filter) {
        return;
    }
    if let Some(mut entry) = EVENTS.reserve::<Event>(0) {
        let event = entry.as_mut_ptr();
        // SAFETY: memory of the ring, reserved for this event; all of it is written.
        unsafe {
            core::ptr::write_bytes(event, 0, 1);
            (*event).time_ns = bpf_ktime_get_ns();
            (*event).reason = reason;
            (*event).device = device;
            (*event).len = len;
        }
        entry.submit(0);
    }
}

/// Whether the sample goes without this packet.
#[inline(always)]
fn is_left_out(filter: &EventFilter) -> bool {
    let mask = (1u32 << (filter.shift & 31)).wrapping_sub(1);
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_prandom_u32() & mask != 0 }
}

/// Whether the filter lets a reason pass.
#[inline(always)]
fn is_wanted(reason: Reason) -> bool {
    EVENT_FILTER
        .get(0)
        .is_some_and(|filter| filter.reasons & bit(reason) != 0)
}

/// Tells of a packet with this tuple, if somebody listens. `flow` is set for one that opened a flow.
#[inline(always)]
pub(crate) fn report<A: Family>(key: &FlowKey<A>, flow: Option<&Flow<A>>, place: &Place) {
    if is_wanted(place.reason) {
        tell(key, flow, place);
    }
}

/// A function of its own: what it needs has left the stack again when the journey goes on. That is little:
/// the event is written where it will stay, and looked at there.
#[inline(never)]
fn tell<A: Family>(key: &FlowKey<A>, flow: Option<&Flow<A>>, place: &Place) {
    let Some(filter) = EVENT_FILTER.get(0) else {
        return;
    };
    if filter.service != 0 && filter.service != place.service || is_left_out(filter) {
        return;
    }
    let Some(mut entry) = EVENTS.reserve::<Event>(0) else {
        return;
    };
    let event = entry.as_mut_ptr();
    // SAFETY: memory of the ring, reserved for this event; every field is written.
    unsafe {
        (*event).time_ns = bpf_ktime_get_ns();
        (*event).reason = place.reason as u32;
        (*event).device = place.device;
        (*event).len = place.len;
        (*event).service = place.service;
        (*event).proto = u32::from(key.proto.0);
        (*event).src = key.src.mapped();
        (*event).dst = key.dst.mapped();
        (*event).src_port = key.src_port;
        (*event).dst_port = key.dst_port;
        (*event).backend = 0;
        (*event).to = Ip6::default();
        (*event).seen_as = Ip6::default();
        (*event).to_port = Port::default();
        (*event).seen_as_port = Port::default();
        if let Some(flow) = flow {
            (*event).backend = flow.backend;
            (*event).to = flow.dst.mapped();
            (*event).seen_as = flow.src.mapped();
            (*event).to_port = flow.dst_port;
            (*event).seen_as_port = flow.src_port;
        }
        if is_in(filter, &(*event).src) || is_in(filter, &(*event).dst) {
            entry.submit(0);
        } else {
            entry.discard(0);
        }
    }
}

/// Whether the filter's block holds an address.
#[inline(always)]
fn is_in(filter: &EventFilter, addr: &Ip6) -> bool {
    let (addr, base, mask) = (addr.words(), filter.addr.words(), filter.mask.words());
    (addr[0] ^ base[0]) & mask[0] == 0
        && (addr[1] ^ base[1]) & mask[1] == 0
        && (addr[2] ^ base[2]) & mask[2] == 0
        && (addr[3] ^ base[3]) & mask[3] == 0
}
