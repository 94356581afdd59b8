//! What this host itself sends: replies of its own processes that serve a Service.
//!
//! Everything else is decided where a packet enters. But a backend in the host network has no device of
//! its own at which its replies could enter, so they are met where they leave. The program is attached
//! only while there is such a backend.

use tidegate_abi::Reason;

use crate::{
    Packet, Tables, World, aside,
    door::BY_THE_STACK,
    known,
    parse::{self, Headers, Ip},
    rewrite,
    verdict::{Door, Entry, Verdict},
};

/// Undoes the translation of a reply that is on its way out; `None`: the packet is not one of ours.
#[inline(always)]
pub fn leaving<A, P, T, W>(
    packet: &mut P,
    tables: &T,
    world: &W,
    entry: Entry,
    l3: usize,
) -> Option<Verdict>
where
    A: Ip,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    match parse::headers::<A, P>(packet, l3) {
        Ok(headers) => undo(packet, tables, world, entry, &headers),
        Err(reason) if aside::takes(reason) => Some(Verdict {
            reason,
            door: Door::Aside,
        }),
        // Whatever it is that we cannot parse, the host meant to send it.
        Err(_) => None,
    }
}

#[inline(always)]
fn undo<A, P, T, W>(
    packet: &mut P,
    tables: &T,
    world: &W,
    entry: Entry,
    headers: &Headers<A>,
) -> Option<Verdict>
where
    A: Ip,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    if !tables.flow(&headers.key)?.is_reply() {
        return None;
    }
    let flow = known::flow(tables, world, entry, headers)?;
    let written = rewrite::apply(packet, headers, &flow, &BY_THE_STACK, None);
    Some(match written {
        Some(()) => {
            tables.count(&flow, packet.len());
            Verdict {
                reason: Reason::KnownReply,
                door: Door::Stack,
            }
        }
        None => Verdict {
            reason: Reason::WriteFailed,
            door: Door::Drop,
        },
    })
}
