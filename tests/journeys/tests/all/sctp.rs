//! SCTP: the checksum follows the ports, chunks open and end flows.

use std::net::SocketAddr;

use tidegate_abi::{
    Reason,
    frontend::flags::{INTERNAL, NODE_PORT},
};
use tidegate_datapath::tcp;
use tidegate_frames::{
    Frame,
    frame::{Chunk, Crc},
    oracle::{crc32c, dissect::dissect, verify},
};
use tidegate_journeys::{
    Bench, Case, Out, Scene, journeys,
    textbook::{self, POD, SIBLING, UPLINK},
};

journeys! {
    sctp: rule_5_4_1_an_association_comes_up_through_a_node_port_and_ends,
        rule_5_4_1_a_pod_that_is_its_own_backend_has_an_association_with_itself,
        rule_5_4_3_every_length_of_packet_gets_its_right_checksum,
        rule_5_4_3_a_wrong_checksum_stays_wrong,
        rule_5_4_3_a_checksum_that_the_device_has_yet_to_make_stays_zero,
        rule_5_4_4_a_flow_begins_with_an_init_and_with_nothing_else,
        rule_5_4_4_an_abort_ends_a_flow,
        rule_5_4_4_a_shutdown_ends_a_flow,
        rule_5_4_4_an_ended_flow_is_forgotten_soon,
        rule_5_3_1_an_init_on_a_flow_that_ended_opens_a_new_one,
        rule_5_1_1_an_association_stays_with_a_backend_that_no_longer_serves,
        an_abort_without_a_record_is_dropped_and_never_answered,
        rule_5_6_7_a_packet_without_a_whole_chunk_header_is_dropped;
}

fn packet(src: SocketAddr, dst: SocketAddr, chunk: Chunk) -> Vec<u8> {
    Frame::sctp(src, dst).chunk(chunk).build()
}

/// A local backend behind the NodePort, and the flow that a client opened.
fn opened(bench: &mut Bench<'_>, case: &Case) -> Scene {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    let pod = scene.backend(roles.backend);
    scene.backend(case.places.sibling);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[pod]);
    bench.start(&scene);
    bench.uplink(&case.first(roles.client, roles.node_port));
    bench.pod(POD, &case.reply(roles.backend, roles.client));
    scene
}

/// The state of the client's flow, which both of its records know.
#[track_caller]
fn state(bench: &Bench<'_>, case: &Case) -> u16 {
    let roles = case.places.roles;
    let forward = bench.record(case.tuple(roles.client, roles.node_port));
    let reply = bench.record(case.tuple(roles.backend, roles.client));
    assert_eq!(forward.state, reply.state);
    forward.state
}

fn rule_5_4_1_an_association_comes_up_through_a_node_port_and_ends(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, sibling) = (case.places.roles, case.places.sibling);
    for pod in [sibling, roles.remote_backend] {
        bench.serve(case, roles.node_port, NODE_PORT, &[pod]);
        let (client, dialled) = (roles.client, roles.node_port);
        let there = if pod == sibling {
            Out::Pod(SIBLING)
        } else {
            Out::Link(UPLINK)
        };
        let exit = bench.uplink(&case.first(client, dialled));
        let seen = exit.src();
        assert_eq!(seen == client, pod == sibling, "masquerade");
        exit.is_translated(Reason::NewFlow, seen, pod, there);
        let exchange = [
            (false, vec![Chunk::init_ack(8)]),
            (true, vec![Chunk::cookie_echo(), Chunk::data(1, "hello")]),
            (false, vec![Chunk::cookie_ack(), Chunk::sack(1)]),
            (true, vec![Chunk::heartbeat()]),
            (false, vec![Chunk::data(1, [9; 1000])]),
            (true, vec![Chunk::shutdown(1)]),
            (false, vec![Chunk::shutdown_ack()]),
            (true, vec![Chunk::shutdown_complete()]),
        ];
        for (from_client, chunks) in exchange {
            let (src, dst) = if from_client {
                (client, dialled)
            } else {
                (pod, seen)
            };
            let frame = Frame::sctp(src, dst);
            let frame = chunks.into_iter().fold(frame, Frame::chunk).build();
            let exit = match (from_client, pod == sibling) {
                (false, true) => bench.pod(SIBLING, &frame),
                _ => bench.uplink(&frame),
            };
            if from_client {
                exit.is_translated(Reason::KnownFlow, seen, pod, there);
            } else {
                exit.is_translated(Reason::KnownReply, dialled, client, Out::Link(UPLINK));
            }
            assert_eq!(verify(&exit.frame), Ok(()));
        }
        let record = bench.record(case.tuple(client, dialled));
        assert_eq!(record.state, tcp::CLOSED);
    }
}

fn rule_5_4_1_a_pod_that_is_its_own_backend_has_an_association_with_itself(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, node) = (case.places.roles, case.places.roles.node_port.ip());
    let pod = SocketAddr::new(roles.backend.ip(), 41_000);
    bench.serve(case, roles.service, INTERNAL, &[roles.backend]);
    let exit = bench.pod(POD, &case.first(pod, roles.service));
    let seen = exit.src();
    assert_eq!(seen.ip(), node);
    exit.is_translated(Reason::NewFlow, seen, roles.backend, Out::Pod(POD));
    let exit = bench.pod(POD, &case.reply(roles.backend, seen));
    exit.is_translated(Reason::KnownReply, roles.service, pod, Out::Pod(POD));
}

fn rule_5_4_3_every_length_of_packet_gets_its_right_checksum(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    bench.uplink(&case.first(roles.client, roles.node_port));
    let lengths = (0..40).chain([127, 128, 129, 255, 256, 1023, 1024, 1400]);
    for length in lengths {
        let data: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
        let frame = Frame::sctp(roles.client, roles.node_port);
        // A chunk is padded to words of four bytes, but a payload behind it is not.
        let frame = frame
            .chunk(Chunk::data(length as u32, &data))
            .payload(&data);
        let exit = bench.uplink(&frame.pad_to(100).build());
        exit.is_translated(
            Reason::KnownFlow,
            roles.client,
            roles.backend,
            Out::Pod(POD),
        );
        assert_eq!(verify(&exit.frame), Ok(()));
    }
}

fn rule_5_4_3_a_wrong_checksum_stays_wrong(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    let frame = Frame::sctp(roles.client, roles.node_port).chunk(Chunk::init(7));
    let exit = bench.uplink(&frame.crc(Crc::Wrong).build());
    exit.keeps_its_error(roles.client, roles.backend);
    assert!(verify(&exit.frame).is_err());
}

fn rule_5_4_3_a_checksum_that_the_device_has_yet_to_make_stays_zero(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    let frame = Frame::sctp(roles.client, roles.node_port).chunk(Chunk::init(7));
    let exit = bench.uplink(&frame.crc(Crc::Zero).build());
    let sctp = dissect(&exit.frame).expect("a whole frame").transport;
    assert_eq!(exit.frame[sctp..][crc32c::FIELD], [0; 4]);
    exit.is_translated(Reason::NewFlow, roles.client, roles.backend, Out::Pod(POD));
}

fn rule_5_4_4_a_flow_begins_with_an_init_and_with_nothing_else(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    for chunk in [
        Chunk::init_ack(8),
        Chunk::cookie_echo(),
        Chunk::cookie_ack(),
        Chunk::data(1, "lost"),
        Chunk::sack(1),
        Chunk::heartbeat(),
        Chunk::shutdown(1),
        Chunk::shutdown_ack(),
    ] {
        let sent = packet(roles.client, roles.node_port, chunk);
        bench
            .uplink(&sent)
            .is_answered(Reason::MidStream, &case.refusal(&sent));
    }
    assert_eq!(bench.machine.records(), []);
    bench.uplink(&case.first(roles.client, roles.node_port));
    assert_eq!(state(bench, case), tcp::OPENING);
    bench.pod(POD, &case.reply(roles.backend, roles.client));
    assert_eq!(state(bench, case), tcp::OPEN);
}

fn rule_5_4_4_an_abort_ends_a_flow(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    for from_client in [true, false] {
        opened(bench, case);
        if from_client {
            bench.uplink(&packet(roles.client, roles.node_port, Chunk::abort()));
        } else {
            bench.pod(POD, &packet(roles.backend, roles.client, Chunk::abort()));
        }
        assert_eq!(state(bench, case), tcp::RESET);
    }
}

fn rule_5_4_4_a_shutdown_ends_a_flow(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    for from_client in [true, false] {
        opened(bench, case);
        let ask = Chunk::shutdown(1);
        if from_client {
            bench.uplink(&packet(roles.client, roles.node_port, ask));
            assert_eq!(state(bench, case), tcp::CLIENT_DONE);
            let agree = packet(roles.backend, roles.client, Chunk::shutdown_ack());
            bench.pod(POD, &agree);
        } else {
            bench.pod(POD, &packet(roles.backend, roles.client, ask));
            assert_eq!(state(bench, case), tcp::BACKEND_DONE);
            let agree = packet(roles.client, roles.node_port, Chunk::shutdown_ack());
            bench.uplink(&agree);
        }
        assert_eq!(state(bench, case), tcp::CLOSED);
        // What completes it, and what comes late, still finds the flow and does not wake it.
        let last = packet(roles.client, roles.node_port, Chunk::shutdown_complete());
        let exit = bench.uplink(&last);
        let out = Out::Pod(POD);
        exit.is_translated(Reason::KnownFlow, roles.client, roles.backend, out);
        assert_eq!(state(bench, case), tcp::CLOSED);
    }
}

fn rule_5_4_4_an_ended_flow_is_forgotten_soon(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let key = case.tuple(roles.client, roles.node_port);
    let later = case.later(roles.client, roles.node_port);
    opened(bench, case);
    bench.age(key, 3_000);
    assert_eq!(bench.uplink(&later).reason, Some(Reason::KnownFlow));
    for last in [Chunk::abort(), Chunk::shutdown_complete()] {
        opened(bench, case);
        bench.uplink(&packet(roles.client, roles.node_port, last));
        bench.age(key, 3_000);
        let exit = bench.uplink(&later);
        exit.is_answered(Reason::MidStream, &case.refusal(&later));
    }
}

fn rule_5_3_1_an_init_on_a_flow_that_ended_opens_a_new_one(bench: &mut Bench<'_>, case: &Case) {
    let (roles, sibling) = (case.places.roles, case.places.sibling);
    let mut scene = opened(bench, case);
    let other = tidegate_abi::BackendId(2);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[other]);
    bench.machine.change(&scene);
    let first = case.first(roles.client, roles.node_port);
    // Not while it is open: an INIT may be repeated.
    let exit = bench.uplink(&first);
    let out = Out::Pod(POD);
    exit.is_translated(Reason::KnownFlow, roles.client, roles.backend, out);
    bench.pod(POD, &packet(roles.backend, roles.client, Chunk::abort()));
    let exit = bench.uplink(&first);
    exit.is_translated(Reason::NewFlow, roles.client, sibling, Out::Pod(SIBLING));
}

fn rule_5_1_1_an_association_stays_with_a_backend_that_no_longer_serves(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let mut scene = opened(bench, case);
    let (old, new) = (tidegate_abi::BackendId(1), tidegate_abi::BackendId(2));
    scene.backend_mut(old).flags = 0;
    scene.backend_mut(old).generation += 1;
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[new]);
    bench.machine.change(&scene);
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    let out = Out::Pod(POD);
    exit.is_translated(Reason::KnownFlow, roles.client, roles.backend, out);
    let exit = bench.pod(POD, &case.later(roles.backend, roles.client));
    let back = Out::Link(UPLINK);
    exit.is_translated(Reason::KnownReply, roles.node_port, roles.client, back);
}

fn an_abort_without_a_record_is_dropped_and_never_answered(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    let pod = SocketAddr::new(roles.backend.ip(), 41_000);
    let unknown = SocketAddr::new(roles.service.ip(), 81);
    for chunk in [Chunk::abort(), Chunk::shutdown_complete()] {
        let sent = packet(roles.client, roles.node_port, chunk.clone());
        bench.uplink(&sent).is_dropped(Reason::MidStreamReset);
        let sent = packet(pod, unknown, chunk);
        bench.pod(POD, &sent).is_dropped(Reason::MidStreamReset);
    }
}

fn rule_5_6_7_a_packet_without_a_whole_chunk_header_is_dropped(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    for length in 0..16 {
        let frame = Frame::raw(roles.client, roles.node_port, 132).payload(vec![1; length]);
        // What pads a frame is no chunk.
        for frame in [frame.clone(), frame.pad_to(120)] {
            let exit = bench.uplink(&frame.build());
            exit.is_dropped(Reason::Truncated);
        }
    }
    assert_eq!(bench.machine.records(), []);
}
