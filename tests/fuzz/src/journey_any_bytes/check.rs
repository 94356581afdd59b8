//! What must hold after every frame.

use std::net::IpAddr;

use tidegate_abi::{Proto, Reason, flow, reason::Kind};
use tidegate_datapath::{Door, tcp};
use tidegate_frames::{
    Frame, explain_difference,
    frame::{
        Chunk,
        tcp::{ACK, SYN},
    },
    hexdump,
    oracle::{
        dissect::{Piece, dissect, link},
        same_packet, verify,
    },
};
use tidegate_journeys::{
    machine::{Exit, Program, code},
    record::{Record, Tuple},
};

use super::{
    datagrams::is_twice_cut,
    expected,
    node::{Node, way_back},
};
use crate::shape::{tuple, turned};

/// Everything about one frame's end; `before` are the records that stood before it.
pub(super) fn exit(node: &mut Node, exit: &Exit, before: &[Record]) {
    let kind = exit.reason.map(Reason::kind);
    if exit.reason == Some(Reason::FragmentHeld) {
        node.held.push(exit.sent.clone());
    }
    goes_where_the_reason_says(exit, kind);
    if is_read_beyond_its_end(exit) {
        return;
    }
    nothing_leaves_for_a_service(exit);
    records_are_pairs(node, exit, before);
    let expected = match (kind, exit.reason) {
        // Nobody is told about an error, or about a piece that is not the first.
        _ if exit.door == Some(Door::Drop) => exit.sent.clone(),
        (Some(Kind::Forward), Some(Reason::IcmpError)) => {
            let expected = expected::error(&node.machine, exit);
            expected.unwrap_or_else(|| exit.frame.clone())
        }
        (Some(Kind::Forward), _) => expected::translation(exit, &applied(node, exit)),
        (Some(Kind::Reject), Some(reason)) => expected::answer(exit, reason),
        _ => exit.sent.clone(),
    };
    let difference = explain_difference(&expected, &exit.frame);
    assert!(
        same_packet(&expected, &exit.frame) || is_twice_cut(&exit.sent),
        "{}, {:?}: {difference}went in:\n{}",
        exit.who,
        exit.reason,
        hexdump(&exit.sent)
    );
    if verify(&exit.sent).is_ok()
        && let Err(error) = verify(&exit.frame)
    {
        panic!(
            "{}, {:?}: {error}\n{}",
            exit.who,
            exit.reason,
            hexdump(&exit.sent)
        );
    }
}

/// Known defects, see docs/fuzzing.md: in later pieces and in ICMP, headers behind the stated end are read.
fn is_read_beyond_its_end(exit: &Exit) -> bool {
    match dissect(&exit.sent) {
        Ok(it) => matches!(it.protocol, 1 | 58) && it.end < it.transport + 8,
        Err(_) => exit.reason == Some(Reason::KnownFlow) || exit.reason == Some(Reason::KnownReply),
    }
}

fn goes_where_the_reason_says(exit: &Exit, kind: Option<Kind>) {
    let door = exit.door.expect("the host tells the door");
    let fits = match kind {
        None | Some(Kind::Pass) => door == Door::Stack,
        Some(Kind::Drop) => door == Door::Drop,
        Some(Kind::Reject) => matches!(door, Door::Back | Door::Drop),
        Some(Kind::Forward) => matches!(
            door,
            Door::Stack | Door::Transmit | Door::Peer(_) | Door::Neighbour(_)
        ),
    };
    assert!(fits, "{}, {:?}: {door:?}", exit.who, exit.reason);
    let dies = exit.door != Some(Door::Stack) && kind == Some(Kind::Forward);
    assert!(
        !dies || time_to_live(&exit.frame) > 0,
        "{}: rule 5.6.12",
        exit.who
    );
    // What the host sends is undone, or left alone.
    let is_undone = matches!(exit.reason, Some(Reason::KnownReply | Reason::IcmpError));
    let is_left_alone = kind.is_none_or(|kind| kind == Kind::Pass);
    assert!(
        exit.program != Program::TcHost || is_undone || is_left_alone,
        "{}, {:?}\n{}",
        exit.who,
        exit.reason,
        hexdump(&exit.sent)
    );
}

fn time_to_live(frame: &[u8]) -> u8 {
    let at = dissect(frame).map(|it| it.ip + if it.is_v6() { 7 } else { 8 });
    at.map_or(u8::MAX, |at| frame[at])
}

/// Rules 2.4.9, 2.4.10 and 2.4.12: what enters for an address of the service range never goes on by the stack.
fn nothing_leaves_for_a_service(exit: &Exit) {
    let is_last = !matches!(exit.program, Program::XdpUplink | Program::TcHost);
    if !is_last || exit.code != code::NEXT {
        return;
    }
    let Ok((tags, ethertype, l3)) = link(&exit.frame) else {
        return;
    };
    let inside = match (ethertype, tags.len()) {
        (0x0800, ..=2) => {
            let at = exit.frame.get(l3 + 16..l3 + 20);
            at.is_some_and(|ip| ip[0] == 10 && ip[1] & 0xf0 == 96)
        }
        (0x86dd, ..=2) => {
            let at = exit.frame.get(l3 + 24..l3 + 32);
            at == Some(&[0xfd, 0, 0x74, 0x69, 0, 0x96, 0, 0])
        }
        _ => false,
    };
    assert!(
        !inside || is_martian(&exit.frame),
        "{}, {:?}\n{}",
        exit.who,
        exit.reason,
        hexdump(&exit.sent)
    );
}

/// Says that it comes from the loopback, a group or nowhere: the stack drops it.
fn is_martian(frame: &[u8]) -> bool {
    dissect(frame).is_ok_and(|anatomy| match anatomy.src {
        IpAddr::V4(ip) => {
            ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast()
        }
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_loopback() || ip.is_multicast(),
    })
}

/// A record that this frame made or changed has its opposite, and each leads to the other.
fn records_are_pairs(node: &Node, exit: &Exit, before: &[Record]) {
    let after = tidegate_journeys::machine::Machine::records(&node.machine);
    let is_new = |record: &&Record| {
        // Made void: its tuple turned out to be another connection's.
        if record.out.dst.ip().is_unspecified() {
            return false;
        }
        let found = before.iter().find(|old| old.key == record.key);
        found.is_none_or(|old| old.out != record.out)
    };
    let fresh: Vec<_> = after.iter().filter(is_new).collect();
    assert!(fresh.len() <= 2, "{}: {fresh:?}", exit.who);
    for record in &fresh {
        let opposite = node.record(&turned(record.out));
        let Some(opposite) = opposite else {
            panic!("{}: half a flow: {record:?}", exit.who);
        };
        assert_eq!(
            turned(opposite.out),
            record.key,
            "{}: {opposite:?}",
            exit.who
        );
        let facts = |it: &Record| (it.backend, it.generation, it.service, it.state);
        assert_eq!(facts(record), facts(&opposite), "{}", exit.who);
        let both = record.flags ^ opposite.flags;
        assert_eq!(both, flow::flags::REPLY, "{}: {record:?}", exit.who);
    }
    let opens = exit.reason == Some(Reason::NewFlow);
    let key = node.datagrams.tuple(&exit.sent);
    let forward = key.and_then(|key| node.record(&key));
    assert!(!opens || forward.is_some(), "{}: no record", exit.who);
}

/// The record that translated the packet, which must make sense.
fn applied(node: &Node, exit: &Exit) -> Record {
    let key = node.datagrams.tuple(&exit.sent);
    let key = key.unwrap_or_else(|| panic!("{}: no tuple\n{}", exit.who, hexdump(&exit.sent)));
    let record = node.record(&key);
    let record = record.unwrap_or_else(|| panic!("{}: no record of {key:?}", exit.who));
    let is_reply = record.flags & flow::flags::REPLY != 0;
    let is_right = match exit.reason {
        Some(Reason::KnownReply) => is_reply,
        _ => !is_reply,
    };
    assert!(is_right, "{}, {:?}: {record:?}", exit.who, exit.reason);
    let (frontend, backend) = if is_reply {
        (record.out.src, key.src)
    } else {
        (key.dst, record.out.dst)
    };
    if record.backend == 0 {
        // Dialled directly beside a flow through a Service: only the source port is another.
        assert_eq!(frontend, backend, "{record:?}");
        return record;
    }
    assert!(node.has_frontend((key.proto, frontend)), "{frontend}");
    assert!(node.has_backend(backend), "{backend}");
    record
}

/// A held fragment that was sent in again goes on, or ends; it does not go round.
pub(super) fn is_not_held(exit: &Exit) {
    assert_ne!(exit.reason, Some(Reason::FragmentHeld), "{}", exit.who);
}

/// Whoever got a translated packet can answer it, and the client hears the address that it dialled.
pub(super) fn comes_back(node: &mut Node, exit: &Exit) {
    let opens = matches!(exit.reason, Some(Reason::NewFlow | Reason::KnownFlow));
    let is_whole = dissect(&exit.sent).is_ok_and(|it| it.piece != Piece::Later);
    let (Some(dialled), Some(out)) = (tuple(&exit.sent), tuple(&exit.frame)) else {
        return;
    };
    if !opens || !is_whole || dialled.src.ip().is_unspecified() {
        return;
    }
    let forward = node.record(&dialled);
    let forward = forward.unwrap_or_else(|| panic!("{}: no record", exit.who));
    let reply = node.record(&turned(out));
    let is_pair = reply.is_some_and(|reply| turned(reply.out) == dialled);
    if !is_pair {
        assert!(
            tcp::is_over(forward.state),
            "{}: {forward:?}, {reply:?}",
            exit.who
        );
        return;
    }
    let at = way_back(exit);
    let is_near = reply.is_some_and(|reply| reply.device != 0);
    if !is_near && !node.leads_out(dialled.src.ip()) && exit.door != Some(Door::Stack) {
        return;
    }
    // The stack's way leads to the node itself, or nowhere.
    if exit.door == Some(Door::Stack) && !is_of_the_node(out.dst.ip()) {
        return;
    }
    // Before a flow stands, only the answer to its opening is its own; that makes it stand, so not always.
    let is_opening = forward.state == tcp::OPENING;
    if is_opening && exit.sent.len() % 2 == 1 {
        return;
    }
    let answer = node.run(at, &answer(turned(out), is_opening));
    let what = format!("{}: {forward:?}, {reply:?}", answer.who);
    assert_eq!(answer.reason, Some(Reason::KnownReply), "{what}");
    let heard = tuple(&answer.frame);
    assert_eq!(heard, Some(turned(dialled)), "{}", answer.who);
    assert_eq!(verify(&answer.frame), Ok(()), "{}", answer.who);
}

fn is_of_the_node(ip: IpAddr) -> bool {
    let links = tidegate_journeys::textbook::network().links;
    let mut own = links.iter().flat_map(|link| &link.addresses);
    own.any(|(address, _)| *address == ip)
}

/// A packet of the backend, at the beginning or in the middle of a flow.
fn answer(Tuple { proto, src, dst }: Tuple, is_opening: bool) -> Vec<u8> {
    let (flags, chunk) = match is_opening {
        true => (SYN | ACK, Chunk::init_ack(1)),
        false => (ACK, Chunk::data(1, "answer")),
    };
    match proto {
        Proto::TCP => Frame::tcp(src, dst).flags(flags).build(),
        Proto::SCTP => Frame::sctp(src, dst).chunk(chunk).build(),
        _ => Frame::udp(src, dst).payload("answer").build(),
    }
}
