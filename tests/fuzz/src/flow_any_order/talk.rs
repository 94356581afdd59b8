//! Clients and backends talk, and what comes of it is held against the model.

use std::net::SocketAddr;

use tidegate_abi::{Proto, Reason, reason::Kind};
use tidegate_frames::{
    Frame,
    frame::{
        Chunk,
        tcp::{ACK, FIN, PSH, RST, SYN},
    },
    hexdump,
    oracle::verify,
};
use tidegate_journeys::{
    machine::Exit,
    record::{Record, Tuple},
};

use super::{
    model::{Flow, Lost, is_due},
    world::{FRONTENDS, World},
};
use crate::{
    input::Input,
    shape::{tuple, turned},
};

/// A client sends something to a frontend.
pub(super) fn client(world: &mut World, input: &mut Input<'_>) {
    let dialled = world.frontend(input.below(FRONTENDS));
    let key = Tuple {
        proto: world.case.proto,
        src: from(world, input),
        dst: dialled,
    };
    let flags = input.pick(&[SYN, SYN, ACK, ACK | PSH, FIN | ACK, RST]);
    let before = world.record(&key);
    let exit = world.send(key.src, &segment(key, flags));
    is_well_formed(&exit);
    judge_client(world, &exit, key, flags, before);
}

/// Two machines on the link, one of them with two ports, and the two pods of the node.
pub(super) fn from(world: &World, input: &mut Input<'_>) -> SocketAddr {
    let places = world.case.places;
    let at = |ip: SocketAddr, port| SocketAddr::new(ip.ip(), port);
    input.pick(&[
        places.roles.client,
        at(places.roles.client, 40_001),
        places.neighbour,
        at(places.sibling, 40_000),
        at(places.roles.backend, 40_000),
    ])
}

/// What the model says of a client's whole packet; `before`: the client's record as the packet found it.
pub(super) fn judge_client(
    world: &mut World,
    exit: &Exit,
    key: Tuple,
    flags: u8,
    before: Option<Record>,
) {
    let now = world.now();
    let is_due = before.is_none_or(|it| is_due(&it, now));
    let known = world.flows.iter().position(|flow| flow.key == key);
    let holds = known.is_some_and(|at| {
        let flow = &world.flows[at];
        let repairs = flow.lost == Lost::Reply && is_due;
        (flow.lost == Lost::Nothing || repairs)
            && world.must_hold(flow)
            && !is_dialled_anew(world, flow, flags)
    });
    let forward = exit
        .reason
        .is_some_and(|reason| reason.kind() == Kind::Forward);
    if !forward {
        assert!(!holds, "{}, {:?}: {:?}", exit.who, exit.reason, world.flows);
        if let Some(at) = known.filter(|_| !world.exists(key.dst)) {
            // A Service that is made anew begins anew.
            world.flows[at].lost = Lost::More;
        }
        return;
    }
    let out = tuple(&exit.frame).expect("a translated packet can be read");
    let backend = world.backend_at(out.dst);
    let backend = backend.unwrap_or_else(|| panic!("{}: to {}", exit.who, out.dst));
    if key.proto == Proto::UDP {
        assert!(world.serving(backend).is_some(), "rule 5.2.1: {}", out.dst);
    }
    let is_new = exit.reason == Some(Reason::NewFlow) || reopens(before, world.record(&key));
    match known {
        Some(at) if holds => {
            assert!(
                !is_new,
                "a living flow was opened again: {:?}",
                world.flows[at]
            );
            assert_eq!(out, world.flows[at].out, "{:?}", world.flows[at]);
            let flow = &mut world.flows[at];
            flow.lost = Lost::Nothing;
            flow.saw(flags, true, now);
        }
        _ if is_new => opened(world, key, out, backend, flags),
        Some(at) => goes_on(world, at, (out, flags), is_due),
        None => panic!("{}: a record that nobody opened: {key:?}", exit.who),
    }
}

/// Whether a client gives up a connection whose backend is gone (rule 5.3.9).
fn is_dialled_anew(world: &World, flow: &Flow, flags: u8) -> bool {
    flow.key.proto != Proto::UDP
        && flags == SYN
        && world.serving(flow.backend) != Some(flow.generation)
}

/// XDP may have opened the flow before the second stage found it.
fn reopens(before: Option<Record>, after: Option<Record>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return before != after;
    };
    let made = |it: &Record| (it.created, it.generation, it.out);
    made(&before) != made(&after)
        || after.state == tidegate_datapath::tcp::OPENING && before.state != after.state
}

fn opened(world: &mut World, key: Tuple, out: Tuple, backend: usize, flags: u8) {
    let now = world.now();
    assert!(world.offers(key.dst, backend), "{key:?} to {out:?}");
    let generation = world.serving(backend);
    let generation = generation.unwrap_or_else(|| panic!("rule 5.2.1: new flow to {}", out.dst));
    takes(world, key, out);
    world.flows.retain(|flow| flow.key != key);
    let mut flow = Flow::new(key, out, (backend, generation), now);
    flow.saw(flags, true, now);
    world.flows.push(flow);
}

/// A tuple at a backend goes to whoever has this key: no living flow may have it.
fn takes(world: &mut World, key: Tuple, out: Tuple) {
    for at in 0..world.flows.len() {
        let other = &world.flows[at];
        if other.key == key || other.out != out {
            continue;
        }
        let is_taken = other.lost == Lost::Nothing && world.must_hold(other);
        assert!(!is_taken, "rule 3.2.2: {key:?} gets the tuple of {other:?}");
        world.flows[at].lost = match other.lost {
            Lost::Nothing | Lost::Taken => Lost::Taken,
            Lost::Reply | Lost::More => Lost::More,
        };
    }
}

/// Nothing was promised to this flow any more, but it must not disturb another.
fn goes_on(world: &mut World, at: usize, (out, flags): (Tuple, u8), is_due: bool) {
    let now = world.now();
    let flow = &world.flows[at];
    assert!(!flow.must_be_forgotten(now), "{flow:?}");
    let is_served = flow.key.proto != Proto::UDP || world.exists(flow.key.dst);
    assert!(is_served, "rule 5.2.12: {flow:?}");
    assert!(flags != SYN || !flow.is_over(), "rule 5.3.1: {flow:?}");
    assert!(!is_dialled_anew(world, flow, flags), "rule 5.3.9: {flow:?}");
    assert_eq!(out, flow.out);
    let owner = world
        .flows
        .iter()
        .find(|other| other.key != flow.key && other.out == out && other.lost == Lost::Nothing);
    // Until it is looked after, a record that lost its other half is believed (docs/limits.md).
    if let Some(owner) = owner.filter(|owner| world.must_hold(owner)) {
        let is_believed = flow.lost == Lost::More && !is_due;
        assert!(is_believed, "rule 3.2.2: {flow:?} speaks into {owner:?}");
        return;
    }
    // Of two flows whose common tuple the map forgot twice, the first that speaks has it (docs/limits.md).
    let key = world.flows[at].key;
    let others = world
        .flows
        .iter_mut()
        .filter(|other| other.key != key && other.out == out);
    others.for_each(|other| other.lost = Lost::More);
    // Nobody is promised that it is repaired earlier than it is due, but it may be.
    let is_whole = world.has_reply(&world.flows[at]);
    let flow = &mut world.flows[at];
    if flow.lost == Lost::Reply && is_whole {
        flow.lost = Lost::Nothing;
    }
    flow.saw(flags, true, now);
}

/// A backend answers on a flow, whatever became of it.
pub(super) fn backend(world: &mut World, input: &mut Input<'_>) {
    if world.flows.is_empty() {
        return;
    }
    let at = input.below(world.flows.len());
    let reply = turned(world.flows[at].out);
    let flags = input.pick(&[SYN | ACK, SYN | ACK, ACK, FIN | ACK, RST]);
    let exit = world.send(reply.src, &segment(reply, flags));
    is_well_formed(&exit);
    let now = world.now();
    for flow in world.flows.iter_mut().filter(|it| turned(it.out) == reply) {
        // Answers a connection that was there before the flow, so that one keeps the tuple.
        if flow.may_be_anothers(flags) {
            flow.lost = Lost::More;
        }
    }
    let expected = world.flows.iter().position(|flow| {
        turned(flow.out) == reply && flow.lost == Lost::Nothing && world.must_hold(flow)
    });
    if exit.reason != Some(Reason::KnownReply) {
        assert!(
            expected.is_none(),
            "{}, {:?}: {:?}",
            exit.who,
            exit.reason,
            world.flows
        );
        untranslated(world, reply);
        return;
    }
    let heard = tuple(&exit.frame).map(turned);
    if let Some(at) = expected {
        assert_eq!(heard, Some(world.flows[at].key), "rule 3.2.6");
    }
    // An old backend of a flow that moved on may still be heard, by that flow's client only.
    let listener = world.flows.iter_mut().find(|flow| Some(flow.key) == heard);
    let Some(listener) = listener else {
        let mut directs = world.directs.iter();
        let dialled = directs.any(|(key, out)| Some(*key) == heard && turned(*out) == reply);
        assert!(dialled, "{heard:?} never dialled");
        return;
    };
    if turned(listener.out) == reply {
        assert!(!listener.must_be_forgotten(now), "{listener:?}");
        assert!(!listener.is_over() || flags & SYN == 0, "{listener:?}");
        listener.saw(flags, false, now);
    }
}

/// A reply that was not translated may have ended flows that were over, or whose Service was deleted (5.2.12).
fn untranslated(world: &mut World, reply: Tuple) {
    for at in 0..world.flows.len() {
        let flow = &world.flows[at];
        let may_end = flow.may_be_over() || !world.exists(flow.key.dst);
        if turned(flow.out) == reply && may_end {
            world.flows[at].lost = Lost::More;
        }
    }
}

/// A client dials a backend itself, with ports that a flow may have: no business of ours.
pub(super) fn directly(world: &mut World, input: &mut Input<'_>) {
    if world.flows.is_empty() {
        return;
    }
    let at = input.below(world.flows.len());
    let out = Tuple {
        src: world.flows[at].key.src,
        ..world.flows[at].out
    };
    if out.src.ip() == out.dst.ip() {
        return;
    }
    let exit = world.send(out.src, &segment(out, input.pick(&[SYN, ACK, RST])));
    is_well_formed(&exit);
    // A pod's gets another port where it would meet a flow of its own.
    let arrived = tuple(&exit.frame).expect("a packet stays one");
    if exit.reason == Some(Reason::NewFlow) {
        takes(world, out, arrived);
        world.directs.push((out, arrived));
    }
    assert_eq!(
        (arrived.src.ip(), arrived.dst),
        (out.src.ip(), out.dst),
        "{}",
        exit.who
    );
}

/// What is not translated is not touched; what is, has right checksums.
pub(super) fn is_well_formed(exit: &Exit) {
    match exit.reason.map(Reason::kind) {
        None | Some(Kind::Pass | Kind::Drop) => assert_eq!(exit.sent, exit.frame, "{}", exit.who),
        Some(Kind::Forward | Kind::Reject) => {
            if let Err(error) = verify(&exit.frame) {
                panic!(
                    "{}, {:?}: {error}\n{}",
                    exit.who,
                    exit.reason,
                    hexdump(&exit.frame)
                );
            }
        }
    }
}

/// The packet that does to a flow of this transport what the TCP flags do.
fn segment(Tuple { proto, src, dst }: Tuple, flags: u8) -> Vec<u8> {
    let chunk = match flags {
        SYN => Chunk::init(1),
        _ if flags == SYN | ACK => Chunk::init_ack(2),
        _ if flags == FIN | ACK => Chunk::shutdown_ack(),
        RST => Chunk::abort(),
        _ => Chunk::data(1, "data"),
    };
    match proto {
        Proto::TCP => Frame::tcp(src, dst).flags(flags).payload("data").build(),
        Proto::SCTP => Frame::sctp(src, dst).chunk(chunk).build(),
        _ => Frame::udp(src, dst).payload("data").build(),
    }
}
