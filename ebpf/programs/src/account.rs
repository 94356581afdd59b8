//! The one place that counts a packet and reports a drop.

use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_ns};
use tidegate_abi::{Event, Reason, event::HEAD, reason::Kind};
use tidegate_datapath::Packet;

use crate::maps::{COUNTERS, EVENTS, frozen};

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

/// Reports one drop in `2^event_shift`.
#[inline(always)]
pub(crate) fn report<P: Packet>(packet: &P, reason: Reason, device: u32) {
    let shift = frozen().event_shift;
    if shift >= 32 || !matches!(reason.kind(), Kind::Drop) {
        return;
    }
    let mask = (1u32 << (shift & 31)).wrapping_sub(1);
    // SAFETY: helpers without arguments.
    let (random, time_ns) = unsafe { (bpf_get_prandom_u32(), bpf_ktime_get_ns()) };
    if random & mask != 0 {
        return;
    }
    let Some(mut entry) = EVENTS.reserve::<Event>(0) else {
        return;
    };
    let event = entry.as_mut_ptr();
    // SAFETY: memory of the ring, reserved for this event; each field is written below or here.
    unsafe {
        (*event).time_ns = time_ns;
        (*event).reason = reason as u32;
        (*event).device = device;
        (*event).len = packet.len() as u32;
        // Field by field into the ring: the stack has no room for a whole event.
        (*event).head_len = match packet.load::<HEAD>(0) {
            Some(bytes) => {
                (*event).head = bytes;
                HEAD as u32
            }
            None => short_head(packet, &mut (*event).head),
        };
    }
    entry.submit(0);
}

/// The head of a frame too short for a whole one: up to the ports of IPv4, or nothing.
#[inline(always)]
fn short_head<P: Packet>(packet: &P, head: &mut [u8; HEAD]) -> u32 {
    *head = [0; HEAD];
    match packet.load::<42>(0) {
        Some(bytes) => {
            head[..42].copy_from_slice(&bytes);
            42
        }
        None => 0,
    }
}
