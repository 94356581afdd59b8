//! ICMP echo requests to a service address: answered here, since the address is nowhere else (rule 2.4.12).

use tidegate_abi::{FrontendKey, Reason, frontend::flags};

use crate::{
    Packet, Tables, World,
    answer::{self, Icmp, TTL},
    aside, checksum,
    parse::{Header, Ip},
    service,
    verdict::{Door, Entry, Stage, Verdict},
};

/// Turns an echo request into its reply, if it is for a service address that answers.
#[inline(always)]
pub fn answer<A, P, T, W>(packet: &mut P, tables: &T, world: &W, entry: Entry, l3: usize) -> Verdict
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    let ip = &tables.resume_work(|work| work.ip).unwrap_or_default();
    let reason = match tables.frontend(&FrontendKey::of_address(ip.dst)) {
        _ if entry.stage == Stage::Leaving => Reason::NotTransport,
        Some(address) if !address.has(flags::PING) => Reason::NotTransport,
        Some(address)
            if address.has(flags::INTERNAL) && service::is_outside(tables, entry, ip.src) =>
        {
            Reason::ExternalClusterIp
        }
        Some(_) if !world.may_answer() => Reason::RateLimited,
        Some(_) => Reason::PingAnswered,
        None => Reason::NotTransport,
    };
    if reason != Reason::PingAnswered {
        return aside::untranslated(packet, tables, l3, reason);
    }
    match write(packet, l3, ip) {
        Some(()) => Verdict {
            reason,
            door: Door::Back,
        },
        None => Verdict {
            reason: Reason::RejectFailed,
            door: Door::Drop,
        },
    }
}

/// Identifier, sequence number and data stay (RFC 792); exchanged addresses leave every sum as it is.
#[inline(always)]
fn write<A: Ip + Icmp, P: Packet>(packet: &mut P, l3: usize, ip: &Header<A>) -> Option<()> {
    let [kind, code, c0, c1] = packet.load::<4>(ip.l4)?;
    let [_, reply] = A::ECHO;
    let change = checksum::word([kind, code, 0, 0], [reply, code, 0, 0]);
    let [c0, c1] = checksum::updated([c0, c1], change);
    packet.store(ip.l4, [reply, code, c0, c1])?;
    let spent = ip.ttl.wrapping_sub(TTL);
    A::rewrite(packet, l3, spent, (ip.src, ip.dst), (ip.dst, ip.src))?;
    answer::swap_macs(packet)
}
