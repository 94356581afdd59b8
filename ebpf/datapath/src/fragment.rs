//! Fragments: the first one is translated like a whole packet, and its ports are kept for the others, which
//! carry none (rules 5.6.1 and 5.6.2). One that comes before the first is held, and sent in again behind it
//! (rule 5.6.3).

use tidegate_abi::{
    FlowKey, Fragment, FragmentKey, HeldKey, Proto, Reason,
    fragment::{FRAME, HELD_MAX, IDLE_TICKS, fate},
    reason::Kind,
};

use crate::{
    Packet, Tables, Work, World,
    answer::{self, Icmp},
    aside, checksum, door, journey,
    parse::{self, Header, Headers, Ip},
    rewrite,
    verdict::{Door, Entry, Stage, Stop, Verdict},
};

/// IPv6 destination options (RFC 8200, section 4.6): a later fragment names them where the first one has them
/// before its transport header.
const OPTIONS: Proto = Proto(60);

/// Which part of a datagram goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The first one: it carries ports and goes on like a whole packet, by [`aside::known`].
    First,
    /// Another one whose ports are known now: by [`send`].
    Later,
}

/// The journey of a fragment, as far as its ports.
#[inline(always)]
pub fn travel<A, P, T, W>(
    packet: &mut P,
    tables: &T,
    world: &W,
    entry: Entry,
    l3: usize,
) -> Result<Part, Verdict>
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    let Some(ip) = tables.resume_work(|work| work.ip) else {
        return Err(refused(Reason::FragmentLost));
    };
    // The checksum of SCTP covers what is not in this packet.
    let is_later = ip.piece.offset != 0;
    let may_be_ours = matches!(ip.proto, Proto::TCP | Proto::UDP)
        || (is_later && A::HEADER == 40 && ip.proto == OPTIONS);
    if !may_be_ours {
        return Err(aside::untranslated(packet, tables, l3, Reason::Fragment));
    }
    if is_later {
        return later(packet, tables, world, entry, l3, &ip);
    }
    match parse::behind(packet, l3, &ip) {
        Ok(headers) => {
            aside::keep(tables, headers);
            first(packet, tables, world, &key(&ip), &headers.key);
        }
        Err(reason) => return Err(answer::without_headers(reason)),
    }
    Ok(Part::First)
}

/// What the fragments of a datagram share.
#[inline(always)]
fn key<A: Ip>(ip: &Header<A>) -> FragmentKey<A> {
    FragmentKey {
        src: ip.src,
        dst: ip.dst,
        id: ip.piece.id,
        // RFC 8200, section 4.5: the identification alone tells datagrams apart.
        proto: if A::HEADER == 40 { Proto(0) } else { ip.proto },
        pad: 0,
        pad_high: 0,
    }
}

/// The fragment that carries the ports: they are kept for the others, and those that wait come behind it.
#[inline(always)]
fn first<A, P, T, W>(
    packet: &mut P,
    tables: &T,
    world: &W,
    key: &FragmentKey<A>,
    tuple: &FlowKey<A>,
) where
    A: Ip,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    let now = world.tick();
    let waiting = fresh(tables, key, now).filter(|it| it.fate == fate::UNKNOWN);
    let mut record = waiting.unwrap_or_default();
    record.src_port = tuple.src_port;
    record.dst_port = tuple.dst_port;
    record.proto = tuple.proto;
    record.seen = now;
    record.fate = fate::TRANSLATED;
    tables.put_fragment(key, &record);
    if record.held != 0 {
        // Those that cannot be read any more are lost.
        let _lost: Option<()> = packet.release(record.datagram, u32::from(record.held));
    }
}

/// The first fragment was not translated, and neither are the others.
#[inline(always)]
pub fn ended<A, T>(tables: &T, ip: &Header<A>, reason: Reason)
where
    A: Ip,
    T: Tables<A>,
{
    let fate = match reason.kind() {
        Kind::Pass => fate::PASSED,
        Kind::Forward | Kind::Reject | Kind::Drop => fate::REFUSED,
    };
    tables.set_fragment_fate(&key(ip), fate);
}

/// A fragment without ports.
#[inline(always)]
fn later<A, P, T, W>(
    packet: &mut P,
    tables: &T,
    world: &W,
    entry: Entry,
    l3: usize,
    ip: &Header<A>,
) -> Result<Part, Verdict>
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    let key = &key(ip);
    let mut record = fresh(tables, key, world.tick()).unwrap_or_default();
    if record.fate == fate::UNKNOWN {
        if entry.stage == Stage::Leaving || packet.len() > FRAME {
            return Err(aside::untranslated(packet, tables, l3, Reason::Fragment));
        }
        if !hold(packet, tables, world, key) {
            return Err(refused(Reason::FragmentLost));
        }
        // The first one may have come meanwhile, on another CPU.
        record = tables.fragment(key).unwrap_or_default();
    }
    match record.fate {
        fate::UNKNOWN => Err(refused(Reason::FragmentHeld)),
        fate::TRANSLATED => {
            let key = FlowKey {
                src: ip.src,
                dst: ip.dst,
                src_port: record.src_port,
                dst_port: record.dst_port,
                proto: record.proto,
                pad: 0,
                pad_high: 0,
            };
            aside::keep(tables, Headers::of(l3, ip, key));
            Ok(Part::Later)
        }
        fate::REFUSED => Err(refused(Reason::FragmentLost)),
        _ => Err(aside::untranslated(packet, tables, l3, Reason::Fragment)),
    }
}

/// What is known of a datagram, unless it is too long ago.
#[inline(always)]
fn fresh<A: Ip, T: Tables<A>>(tables: &T, key: &FragmentKey<A>, now: u32) -> Option<Fragment> {
    let record = tables.fragment(key)?;
    (now.saturating_sub(record.seen) <= IDLE_TICKS).then_some(record)
}

/// Keeps the frame until the first fragment comes.
#[inline(always)]
fn hold<A, P, T, W>(packet: &P, tables: &T, world: &W, key: &FragmentKey<A>) -> bool
where
    A: Ip,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    let now = world.tick();
    let record = match fresh(tables, key, now) {
        Some(record) => record,
        None => {
            let record = Fragment {
                datagram: world.random(),
                seen: now,
                ..Fragment::default()
            };
            tables.put_fragment(key, &record);
            record
        }
    };
    let index = u32::from(record.held);
    let place = HeldKey {
        datagram: record.datagram,
        index,
    };
    if index >= HELD_MAX || !packet.hold(&place) {
        return false;
    }
    tables.set_fragment_held(key, record.held.wrapping_add(1));
    true
}

/// Translates the addresses of a fragment, which is all that it has.
#[inline(always)]
pub fn send<A, P, T, W>(packet: &mut P, tables: &T, world: &W, entry: Entry, l3: usize) -> Verdict
where
    A: Ip + Icmp,
    P: Packet,
    T: Tables<A>,
    W: World<A>,
{
    let sent = tables.resume_work(|work| {
        let flow = match tables.flow(&work.headers.key) {
            Some(flow) if !flow.is_void() && (flow.is_reply() || entry.stage != Stage::Leaving) => {
                flow
            }
            // Its flow has ended meanwhile, or the host forwards what was translated where it entered.
            _ => return aside::untranslated(packet, tables, l3, Reason::Fragment),
        };
        work.flow = flow;
        tables.settle(work);
        let Work {
            ip, headers, flow, ..
        } = &*work;
        // Nobody is told about a fragment that is not the first (RFC 1812, section 4.3.2.7).
        let way = match door::choose(packet, world, entry, headers, flow) {
            Ok(way) => way,
            Err(Stop { reason, .. }) => return refused(reason),
        };
        let (old, new) = ((headers.key.src, headers.key.dst), (flow.src, flow.dst));
        let written = rewrite::mix_id(packet, headers, flow, &ip.piece)
            .and_then(|()| A::rewrite(packet, l3, way.hops, old, new));
        if A::HEADER == 40 {
            packet.unbalance(checksum::addresses(old, new));
        }
        match written {
            Some(()) => {
                tables.count(flow, packet.len());
                Verdict {
                    reason: journey::how(flow),
                    door: way.door(),
                }
            }
            None => refused(Reason::WriteFailed),
        }
    });
    sent.unwrap_or(refused(Reason::FragmentLost))
}

#[inline(always)]
fn refused(reason: Reason) -> Verdict {
    Verdict {
        reason,
        door: Door::Drop,
    }
}
