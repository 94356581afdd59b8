//! ICMP errors about translated packets: "destination unreachable", "time exceeded", "packet too big" and
//! "parameter problem" (RFC 792, RFC 4443), from a backend's side or a client's.
//!
//! An error travels against the packet that it quotes, so the record that translates it is the one of the
//! opposite direction; what that record makes of its own packets, turned round, is what the quoted packet
//! was before we changed it. Towards a client the error comes from the address that was dialled
//! (decision 12, rules 5.5.1 to 5.5.3). No record is made, moved or kept alive by it (rule 5.5.6).

use tidegate_abi::{Flow, FlowKey, Port, Proto, Reason, flow::flags};

use crate::{
    Packet, Tables, Work, World,
    answer::Icmp,
    aside,
    checksum::{self, Change},
    door::{self, Way},
    parse::{Header, Headers, Ip, Quote, quote},
    rewrite, sctp,
    verdict::{Door, Entry, Stop, Verdict},
};

/// Length of the ICMP header of an error.
const ICMP: usize = 8;

/// The journey of an ICMP error; `None`: it is about a translated packet, for [`send`].
#[inline(always)]
pub fn travel<A, P, T>(packet: &P, tables: &T, l3: usize) -> Option<Verdict>
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
{
    let ip = &tables.resume_work(|work| work.ip).unwrap_or_default();
    if let Some(quote) = quote::at::<A, P>(packet, ip.l4.wrapping_add(ICMP))
        && find(packet, tables, l3, ip, quote).is_some()
    {
        return None;
    }
    Some(aside::untranslated(
        packet,
        tables,
        l3,
        Reason::NotTransport,
    ))
}

/// Finds the record that translates the error; `None`: it is about no flow of ours (rule 5.5.5).
#[inline(always)]
fn find<A, P, T>(packet: &P, tables: &T, l3: usize, ip: &Header<A>, quote: Quote<A>) -> Option<()>
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
{
    let [s0, s1, d0, d1] = packet.load::<4>(quote.l4)?;
    let key = FlowKey {
        src: quote.dst,
        dst: quote.src,
        src_port: Port::from_be16(u16::from_ne_bytes([d0, d1])),
        dst_port: Port::from_be16(u16::from_ne_bytes([s0, s1])),
        proto: quote.proto,
        pad: 0,
        pad_high: 0,
    };
    // A void one says only that somebody dialled the backend directly (decision 14).
    let flow = tables.flow(&key).filter(|flow| !flow.is_void())?;
    tables.resume_work(|work| {
        work.headers = Headers::of(l3, ip, outer(ip));
        work.flow = flow;
        work.quote = quote;
    })
}

/// The error's own tuple.
#[inline(always)]
fn outer<A: Ip + Icmp>(ip: &Header<A>) -> FlowKey<A> {
    FlowKey {
        src: ip.src,
        dst: ip.dst,
        src_port: Port::new(0),
        dst_port: Port::new(0),
        proto: A::PROTO,
        pad: 0,
        pad_high: 0,
    }
}

/// Chooses the door, then writes. What cannot leave is dropped: nobody is told of an error about an error.
#[inline(always)]
pub fn send<A, P, T, W>(packet: &mut P, tables: &T, world: &W, entry: Entry) -> Verdict
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    let sent = tables.resume_work(|work| relay(packet, world, entry, work));
    sent.unwrap_or(Verdict {
        reason: Reason::WriteFailed,
        door: Door::Drop,
    })
}

#[inline(always)]
fn relay<A, P, W>(packet: &mut P, world: &W, entry: Entry, work: &mut Work<A>) -> Verdict
where
    A: Ip + Icmp,
    P: Packet,
    W: World<A>,
{
    // What the error itself becomes; a backend that sees the client sees the router's address too.
    work.reply = work.flow;
    if work.flow.flags & (flags::REPLY | flags::MASQUERADE) == 0 {
        work.reply.src = work.headers.key.src;
    }
    let way = match door::choose(packet, world, entry, &work.headers, &work.reply) {
        Ok(way) => way,
        Err(Stop { reason, .. }) => {
            return Verdict {
                reason,
                door: Door::Drop,
            };
        }
    };
    match write(packet, work, &way) {
        Some(()) => Verdict {
            reason: Reason::IcmpError,
            door: way.door(),
        },
        None => Verdict {
            reason: Reason::WriteFailed,
            door: Door::Drop,
        },
    }
}

/// Writes the quoted packet, the checksum of the message and the outer header.
#[inline(always)]
fn write<A, P>(packet: &mut P, work: &Work<A>, way: &Way) -> Option<()>
where
    A: Ip + Icmp,
    P: Packet,
{
    let Work {
        headers,
        flow,
        reply: outer,
        quote,
        ..
    } = work;
    let (old, new) = ((headers.key.src, headers.key.dst), (outer.src, outer.dst));
    // Behind what the quoted packet states there may be padding (RFC 4884).
    let stated = quote
        .l3
        .wrapping_add(A::stated_len(packet, quote.l3)? as usize);
    let received = headers.l3().wrapping_add(headers.ip_len as usize);
    let end = if stated < received { stated } else { received };
    let mut change = requote(packet, flow, quote, end)?;
    if A::PROTO == Proto::ICMP6 {
        change = checksum::add(change, checksum::addresses(old, new));
    }
    let at = headers.l4().wrapping_add(2);
    let sum = packet.load::<2>(at)?;
    packet.store(at, checksum::updated(sum, change))?;
    A::rewrite(packet, headers.l3(), way.hops, old, new)
}

/// Gives the quoted packet the tuple that its sender knows. The result is by how much the sum over the
/// message has changed.
#[inline(always)]
fn requote<A: Ip, P: Packet>(
    packet: &mut P,
    flow: &Flow<A>,
    quote: &Quote<A>,
    end: usize,
) -> Option<u32> {
    let (old, new) = ((quote.src, quote.dst), (flow.dst, flow.src));
    let old_ports = packet.load::<4>(quote.l4)?;
    let new_ports = rewrite::ports(flow.dst_port.be16(), flow.src_port.be16());
    let udp = quote.proto == Proto::UDP;
    let change = Change {
        addresses: checksum::addresses(old, new),
        ports: checksum::word(old_ports, new_ports),
        udp,
        v6: A::HEADER == 40,
    };
    A::rewrite(packet, quote.l3, 0, old, new)?;
    packet.store(quote.l4, new_ports)?;
    // An IPv4 header's own checksum makes up for its addresses; IPv6 has none.
    let mut sum = change.ports;
    if change.v6 {
        sum = checksum::add(sum, change.addresses);
    }
    if quote.proto == Proto::SCTP {
        return requote_sctp(packet, quote, end, sum, (old_ports, new_ports));
    }
    let at = match quote.proto {
        Proto::UDP => quote.l4.wrapping_add(rewrite::UDP_CHECKSUM),
        Proto::TCP => quote.l4.wrapping_add(rewrite::TCP_CHECKSUM),
        _ => return Some(sum),
    };
    if at.wrapping_add(2) > end {
        return Some(sum);
    }
    let before = packet.load::<2>(at)?;
    let after = checksum::transport(before, change);
    packet.store(at, after)?;
    let [b0, b1] = before;
    let [a0, a1] = after;
    Some(checksum::add(
        sum,
        checksum::word([b0, b1, 0, 0], [a0, a1, 0, 0]),
    ))
}

/// The same for the checksum of SCTP, where it is quoted.
#[inline(always)]
fn requote_sctp<A: Ip, P: Packet>(
    packet: &mut P,
    quote: &Quote<A>,
    end: usize,
    sum: u32,
    (old, new): ([u8; 4], [u8; 4]),
) -> Option<u32> {
    let at = quote.l4.wrapping_add(sctp::CHECKSUM);
    if old == new || at.wrapping_add(4) > end {
        return Some(sum);
    }
    let before = packet.load::<4>(at)?;
    if before == [0; 4] {
        return Some(sum);
    }
    let headers = quote.l4.wrapping_sub(quote.l3) as u32;
    let len = A::stated_len(packet, quote.l3)?.wrapping_sub(headers);
    let after = sctp::updated(packet, before, old, new, len);
    packet.store(at, after)?;
    Some(checksum::add(sum, checksum::word(before, after)))
}
