//! A datagram in pieces, in any order: it arrives whole, as one of the flow that its ports name.

use tidegate_abi::{Proto, reason::Kind};
use tidegate_frames::{
    Frame,
    oracle::{
        dissect::{Piece, dissect},
        reassemble,
    },
};
use tidegate_journeys::{
    machine::{Exit, Machine as _},
    record::Tuple,
};

use super::{
    talk::{from, is_well_formed, judge_client},
    world::{FRONTENDS, World},
};
use crate::{input::Input, shape::tuple};

/// A client sends a datagram (or segment) in three pieces.
pub(super) fn datagram(world: &mut World, input: &mut Input<'_>) {
    let (proto, dst) = (world.case.proto, world.frontend(input.below(FRONTENDS)));
    if proto == Proto::SCTP {
        return;
    }
    let src = from(world, input);
    let key = Tuple { proto, src, dst };
    world.next_id += 1;
    let payload = [world.next_id as u8; 60];
    let mut pieces = match proto {
        Proto::UDP => Frame::udp(src, dst)
            .id(world.next_id)
            .payload(payload)
            .fragments(32),
        _ => Frame::tcp(src, dst)
            .id(world.next_id)
            .payload(payload)
            .fragments(32),
    };
    let mut sent = Vec::new();
    while !pieces.is_empty() {
        let piece = pieces.remove(input.below(pieces.len()));
        let before = world.record(&key);
        let exit = world.send(src, &piece);
        is_well_formed(&exit);
        if dissect(&piece).is_ok_and(|it| it.piece == Piece::First) {
            judge_client(world, &exit, key, tidegate_frames::frame::tcp::ACK, before);
        }
        let device = exit.device;
        sent.push(exit);
        for waiting in world.machine.released(device, 0) {
            let exit = world.send(src, &waiting);
            is_well_formed(&exit);
            sent.push(exit);
        }
    }
    arrives_whole_or_not_at_all(world, &sent, key);
}

fn arrives_whole_or_not_at_all(world: &World, sent: &[Exit], key: Tuple) {
    let is_forward = |exit: &&Exit| exit.reason.is_some_and(|it| it.kind() == Kind::Forward);
    let out: Vec<_> = sent
        .iter()
        .filter(is_forward)
        .map(|exit| exit.frame.clone())
        .collect();
    if out.is_empty() {
        return;
    }
    let whole = reassemble(&out).unwrap_or_else(|error| panic!("{key:?}: {error}"));
    let became = world.record(&key).map(|record| record.out);
    let arrived: Vec<_> = whole.iter().map(|frame| tuple(frame)).collect();
    assert_eq!(arrived, [became], "{key:?}");
}
