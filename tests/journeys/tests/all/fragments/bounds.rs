//! Pieces that are not translated, or not any more.

use std::net::SocketAddr;

use tidegate_abi::{
    Reason,
    fragment::{HELD_MAX, IDLE_TICKS},
    frontend::flags::{LOAD_BALANCER, NODE_PORT, SOURCE_RANGES},
};
use tidegate_frames::{
    Frame,
    frame::{Chunk, Extension},
    oracle::{Options, dissect::Piece, expected_unreachable, fragment},
};
use tidegate_journeys::{
    Bench, Case, Out, bench, case, journeys,
    machine::Machine as _,
    on_host::HostMachine,
    textbook::{POD, UPLINK},
};

use super::{BY_UPLINK, KNOWN, NEW, cut, datagram, fresh_id, piece, through};

journeys! {
    udp: rule_5_6_4_no_more_pieces_are_held_than_a_datagram_can_have,
        rule_5_6_5_a_first_fragment_without_its_ports_is_dropped,
        rule_5_6_12_a_piece_at_its_last_hop_is_dropped_and_only_the_first_is_answered,
        rule_2_4_1_a_datagram_that_nobody_serves_is_refused_once,
        rule_3_6_2_a_datagram_of_a_client_that_is_not_admitted_is_dropped_whole,
        pieces_longer_than_can_be_held_are_passed_when_they_come_too_early;
    tcp: rule_5_6_5_a_first_fragment_without_a_whole_tcp_header_is_dropped;
    sctp: an_sctp_packet_in_pieces_is_left_to_the_kernel;
    families: rule_3_2_9_pieces_that_no_service_owns_are_not_touched,
        rule_3_2_9_pieces_of_other_protocols_are_never_held;
}

fn rule_5_6_4_no_more_pieces_are_held_than_a_datagram_can_have(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    let frames = cut(&datagram(roles.client, roles.node_port, 9_000).build(), 120);
    let most = HELD_MAX as usize;
    assert!(frames.len() > most + 2);
    for (index, frame) in frames[1..].iter().enumerate() {
        let exit = bench.uplink(frame);
        if index < most {
            exit.is_dropped(Reason::FragmentHeld);
        } else {
            exit.is_dropped(Reason::FragmentLost);
        }
    }
    // Let them go, for the tests that follow.
    bench.machine.listen();
    bench.uplink(&frames[0]);
    assert_eq!(bench.machine.released(UPLINK, most).len(), most);
}

fn rule_5_6_5_a_first_fragment_without_its_ports_is_dropped(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    for length in 0..8 {
        let sent = first_of(roles.client, roles.node_port, 17, length);
        bench.uplink(&sent).is_dropped(Reason::Truncated);
    }
    assert_eq!(bench.machine.records(), []);
}

fn rule_5_6_5_a_first_fragment_without_a_whole_tcp_header_is_dropped(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    for length in 0..20 {
        let sent = first_of(roles.client, roles.node_port, 6, length);
        bench.uplink(&sent).is_dropped(Reason::Truncated);
    }
    assert_eq!(bench.machine.records(), []);
}

/// A first fragment with only so much in it.
fn first_of(src: SocketAddr, dst: SocketAddr, protocol: u8, length: usize) -> Vec<u8> {
    let frame = Frame::raw(src, dst, protocol).payload(vec![0x11; length]);
    match src {
        SocketAddr::V4(_) => frame.more_fragments(true).build(),
        SocketAddr::V6(_) => {
            let header = Extension::fragment(0, true, fresh_id());
            frame.extension(header).build()
        }
    }
}

fn rule_5_6_12_a_piece_at_its_last_hop_is_dropped_and_only_the_first_is_answered(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    let id = fresh_id();
    bench.serve(case, dialled, NODE_PORT, &[roles.backend]);
    bench.uplink(&case.first(client, dialled));
    let pieces = |ttl| {
        let whole = datagram(client, dialled, 3_000).ttl(ttl).build();
        fragment(&whole, 1500, id, Options::Copied).expect("a datagram that can be cut")
    };
    let (healthy, tired) = (pieces(64), pieces(1));
    let exit = bench.uplink(&healthy[0]);
    exit.is_translated_piece(KNOWN[0], client, roles.backend, Out::Pod(POD), 0);
    bench.uplink(&tired[1]).is_dropped(Reason::TtlExceeded);
    let exit = bench.uplink(&tired[0]);
    let [kind, code] = if client.is_ipv4() { [11, 0] } else { [3, 0] };
    let expected = expected_unreachable(&tired[0], kind, code, None);
    exit.is_answered(Reason::TtlExceeded, &expected);
}

fn rule_2_4_1_a_datagram_that_nobody_serves_is_refused_once(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[]);
    let frames = cut(
        &datagram(roles.client, roles.node_port, 4_000).build(),
        1500,
    );
    let exit = bench.uplink(&frames[0]);
    exit.is_answered(Reason::NoEndpoints, &case.refusal(&frames[0]));
    for frame in &frames[1..] {
        bench.uplink(frame).is_dropped(Reason::FragmentLost);
    }
    assert_eq!(bench.machine.records(), []);
}

fn rule_3_6_2_a_datagram_of_a_client_that_is_not_admitted_is_dropped_whole(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let guarded = LOAD_BALANCER | SOURCE_RANGES;
    for backwards in [false, true] {
        bench.serve(case, case.places.elsewhere, guarded, &[roles.backend]);
        let whole = datagram(roles.client, case.places.elsewhere, 4_000).build();
        let mut frames = cut(&whole, 1500);
        if backwards {
            frames.reverse();
        }
        for exit in through(bench, BY_UPLINK, &frames) {
            exit.is_dropped(match piece(&exit.sent) {
                Piece::First => Reason::SourceRange,
                _ => Reason::FragmentLost,
            });
        }
        assert_eq!(bench.machine.records(), []);
    }
}

fn pieces_longer_than_can_be_held_are_passed_when_they_come_too_early(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    bench.serve(case, dialled, NODE_PORT, &[case.places.sibling]);
    let frames = cut(&datagram(client, dialled, 9_000).build(), 3_000);
    bench.uplink(&frames[1]).is_passed(Reason::Fragment);
}

fn an_sctp_packet_in_pieces_is_left_to_the_kernel(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    let whole = Frame::sctp(roles.client, roles.node_port).chunk(Chunk::init(1));
    let whole = whole.payload([7; 900]).dont_fragment(false).build();
    for frame in cut(&whole, 576) {
        bench.uplink(&frame).is_passed(Reason::Fragment);
    }
}

fn rule_3_2_9_pieces_that_no_service_owns_are_not_touched(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    for dst in [case.places.elsewhere, roles.backend] {
        for backwards in [false, true] {
            let mut frames = cut(&datagram(roles.client, dst, 4_000).build(), 1500);
            if backwards {
                frames.reverse();
            }
            for exit in through(bench, BY_UPLINK, &frames) {
                exit.is_passed(match piece(&exit.sent) {
                    Piece::First => Reason::NotService,
                    _ => Reason::Fragment,
                });
            }
        }
    }
    assert_eq!(bench.machine.records(), []);
}

fn rule_3_2_9_pieces_of_other_protocols_are_never_held(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    let ping = Frame::echo(roles.client, case.places.sibling, 1, 1).payload([1; 3_000]);
    let mut frames = cut(&ping.dont_fragment(false).build(), 1500);
    for protocol in [47, 50, 132] {
        let frame = Frame::raw(roles.client, case.places.sibling, protocol);
        let frame = frame.payload([2; 3_000]).dont_fragment(false);
        frames.extend(cut(&frame.build(), 1500));
    }
    for frame in frames.iter().rev().chain(&frames) {
        bench.uplink(frame).is_passed(Reason::Fragment);
        bench.pod(POD, frame).is_passed(Reason::Fragment);
    }
}

#[test]
fn rule_5_6_4_a_datagram_is_given_up_after_half_a_minute() {
    for case in case::udp() {
        let roles = case.places.roles;
        let (client, dialled) = (roles.client, roles.node_port);
        let mut machine = HostMachine::new();
        bench::on(&mut machine, &case).serve(&case, dialled, NODE_PORT, &[roles.backend]);
        let frames = cut(&datagram(client, dialled, 4_000).build(), 1500);
        let run = |machine: &mut HostMachine, frame: &[u8], after: u32| {
            let tick = machine.tick() + after;
            machine.0.world.tick.set(tick);
            bench::on(machine, &case).uplink(frame)
        };
        // In time, and too late: the identification may be another datagram's by now.
        let exit = run(&mut machine, &frames[0], 0);
        exit.is_translated_piece(NEW[0], client, roles.backend, Out::Pod(POD), 0);
        let exit = run(&mut machine, &frames[1], IDLE_TICKS);
        exit.is_translated_piece(KNOWN[1], client, roles.backend, Out::Pod(POD), 0);
        let exit = run(&mut machine, &frames[2], 1 + IDLE_TICKS);
        exit.is_dropped(Reason::FragmentHeld);
        // What was held for too long does not come back behind a late first piece.
        machine.listen();
        let exit = run(&mut machine, &frames[0], 1 + IDLE_TICKS);
        assert_eq!(exit.reason, Some(Reason::KnownFlow));
        assert_eq!(machine.released(UPLINK, 0), [[0; 0]; 0]);
    }
}
