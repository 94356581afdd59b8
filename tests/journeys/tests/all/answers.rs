//! Packets that get an answer instead of a way on: resets and ICMP errors, byte for byte.

use std::net::SocketAddr;

use tidegate_abi::{
    Proto, Reason,
    frontend::flags::{INTERNAL, LOCAL_ONLY, NODE_PORT},
};
use tidegate_frames::{
    Frame,
    frame::Chunk,
    frame::tcp::{ACK, FIN, PSH, RST, SYN},
    oracle::{expected_reset, expected_unreachable},
};
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    textbook::{NARROW_MTU, POD, UPLINK},
};

journeys! {
    all: rule_2_4_1_without_endpoints_the_client_is_refused,
        rule_2_4_7_a_refused_flow_works_as_soon_as_there_is_an_endpoint,
        rule_2_4_9_an_unknown_port_of_a_cluster_ip_is_refused,
        rule_5_6_12_the_last_hop_of_a_first_packet_is_answered_with_time_exceeded,
        rule_5_6_12_the_last_hop_of_a_known_flow_and_of_its_reply_is_answered_with_time_exceeded,
        rule_5_5_11_a_packet_too_big_for_the_way_on_is_answered_with_its_mtu,
        rule_3_2_1_a_first_packet_that_is_too_big_still_picks_the_address_of_its_way_out;
    v4: rule_5_5_11_a_packet_that_may_be_cut_up_is_left_to_the_stack;
    tcp: rule_2_4_4_a_syn_with_data_is_reset_with_the_data_acknowledged,
        rule_5_3_3_a_segment_in_mid_stream_without_a_record_is_reset,
        a_reset_without_a_record_is_dropped_and_never_answered;
    udp: rule_2_4_5_a_long_datagram_is_quoted_in_part;
}

/// The ICMP error of the case's family.
fn error(case: &Case, sent: &[u8], v4: [u8; 2], v6: [u8; 2], mtu: Option<u32>) -> Vec<u8> {
    let [kind, code] = if case.places.unowned.is_ipv4() {
        v4
    } else {
        v6
    };
    expected_unreachable(sent, kind, code, mtu)
}

fn time_exceeded(case: &Case, sent: &[u8]) -> Vec<u8> {
    error(case, sent, [11, 0], [3, 0], None)
}

fn caller(case: &Case) -> SocketAddr {
    SocketAddr::new(case.places.roles.backend.ip(), 41_000)
}

fn rule_2_4_1_without_endpoints_the_client_is_refused(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    for policy in [0, LOCAL_ONLY] {
        bench.serve(case, roles.node_port, NODE_PORT | policy, &[]);
        let exit = bench.uplink(&case.first(roles.client, roles.node_port));
        exit.is_answered(Reason::NoEndpoints, &case.refusal(&exit.sent));
        bench.serve(case, roles.service, INTERNAL | policy, &[]);
        let exit = bench.pod(POD, &case.first(caller(case), roles.service));
        exit.is_answered(Reason::NoEndpoints, &case.refusal(&exit.sent));
    }
}

fn rule_2_4_7_a_refused_flow_works_as_soon_as_there_is_an_endpoint(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[]);
    let sent = case.first(roles.client, roles.node_port);
    bench
        .uplink(&sent)
        .is_answered(Reason::NoEndpoints, &case.refusal(&sent));
    assert_eq!(bench.machine.records(), []);

    let mut scene = tidegate_journeys::textbook::scene();
    let backend = scene.backend(roles.backend);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[backend]);
    bench.machine.change(&scene);
    bench
        .uplink(&sent)
        .is_translated(Reason::NewFlow, roles.client, roles.backend, Out::Pod(POD));
}

fn rule_2_4_9_an_unknown_port_of_a_cluster_ip_is_refused(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.service, INTERNAL, &[case.places.sibling]);

    let unknown = SocketAddr::new(roles.service.ip(), 81);
    let exit = bench.pod(POD, &case.first(caller(case), unknown));
    exit.is_answered(Reason::UnknownPort, &case.refusal(&exit.sent));
    assert_eq!(bench.machine.records(), []);
}

fn rule_5_6_12_the_last_hop_of_a_first_packet_is_answered_with_time_exceeded(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    for (ttl, pod) in [
        (1, roles.backend),
        (1, roles.remote_backend),
        (0, roles.backend),
    ] {
        bench.serve(case, roles.node_port, NODE_PORT, &[pod]);
        let frame = Frame::udp(roles.client, roles.node_port)
            .ttl(ttl)
            .payload("dialled");
        let frame = match case.proto {
            Proto::TCP => Frame::tcp(roles.client, roles.node_port)
                .ttl(ttl)
                .flags(SYN)
                .build(),
            Proto::SCTP => Frame::sctp(roles.client, roles.node_port)
                .ttl(ttl)
                .chunk(Chunk::init(7))
                .build(),
            _ => frame.build(),
        };
        let exit = bench.uplink(&frame);
        exit.is_answered(Reason::TtlExceeded, &time_exceeded(case, &frame));
    }
}

fn rule_5_6_12_the_last_hop_of_a_known_flow_and_of_its_reply_is_answered_with_time_exceeded(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, dialled, pod) = (roles.client, roles.node_port, roles.remote_backend);
    let last_hop = |src, dst| match case.proto {
        Proto::TCP => Frame::tcp(src, dst).ttl(1).payload("tired").build(),
        Proto::SCTP => Frame::sctp(src, dst).ttl(1).chunk(Chunk::sack(1)).build(),
        _ => Frame::udp(src, dst).ttl(1).payload("tired").build(),
    };
    bench.serve(case, dialled, NODE_PORT, &[pod]);
    let node = bench.uplink(&case.first(client, dialled)).src();

    for sent in [last_hop(client, dialled), last_hop(pod, node)] {
        let exit = bench.uplink(&sent);
        exit.is_answered(Reason::TtlExceeded, &time_exceeded(case, &sent));
    }
}

fn rule_5_5_11_a_packet_too_big_for_the_way_on_is_answered_with_its_mtu(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, pod) = (case.places.roles, case.places.narrow_backend);
    bench.serve(case, roles.node_port, NODE_PORT, &[pod]);
    let headers = if roles.client.is_ipv4() { 20 } else { 40 };
    let headers = headers
        + match case.proto {
            Proto::TCP => 20,
            Proto::SCTP => 32,
            _ => 8,
        };
    let fits = NARROW_MTU as usize - headers;

    let sent = case.with_payload(roles.client, roles.node_port, fits + 1);
    let expected = error(case, &sent, [3, 4], [2, 0], Some(NARROW_MTU));
    bench.uplink(&sent).is_answered(Reason::TooBig, &expected);
    // What just fits goes on, and a packet of the known flow that does not is answered alike.
    let exit = bench.uplink(&case.with_payload(roles.client, roles.node_port, fits));
    let out = Out::Link(tidegate_journeys::textbook::NARROW);
    exit.is_translated(Reason::KnownFlow, exit.src(), pod, out);
    bench.uplink(&sent).is_answered(Reason::TooBig, &expected);
}

fn rule_5_5_11_a_packet_that_may_be_cut_up_is_left_to_the_stack(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, there) = (case.places.roles, case.places.narrow_backend);
    let pod = caller(case);
    bench.serve(case, roles.service, INTERNAL, &[there]);
    let sent = match case.proto {
        Proto::TCP => Frame::tcp(pod, roles.service)
            .flags(SYN)
            .dont_fragment(false)
            .payload([1; 1400])
            .build(),
        Proto::SCTP => Frame::sctp(pod, roles.service)
            .chunk(Chunk::init(7))
            .dont_fragment(false)
            .payload([1; 1400])
            .build(),
        _ => Frame::udp(pod, roles.service)
            .dont_fragment(false)
            .payload([1; 1400])
            .build(),
    };
    bench
        .pod(POD, &sent)
        .is_translated(Reason::NewFlow, pod, there, Out::Stack);
}

fn rule_3_2_1_a_first_packet_that_is_too_big_still_picks_the_address_of_its_way_out(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, pod) = (case.places.roles, case.places.narrow_backend);
    bench.serve(case, roles.node_port, NODE_PORT, &[pod]);
    bench.uplink(&case.with_payload(roles.client, roles.node_port, 1400));
    let record = bench.record(case.tuple(roles.client, roles.node_port));
    assert_eq!(record.out.src.ip(), case.places.narrow_masquerade);
}

fn rule_2_4_4_a_syn_with_data_is_reset_with_the_data_acknowledged(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[]);
    for payload in [0, 1, 7, 500, 1400] {
        let frame = Frame::tcp(roles.client, roles.node_port)
            .seq(u32::MAX - 3)
            .ack(0);
        let sent = frame
            .flags(SYN)
            .options(&[2, 4, 5, 0xb4])
            .payload(vec![7; payload])
            .build();
        bench
            .uplink(&sent)
            .is_answered(Reason::NoEndpoints, &expected_reset(&sent));
    }
    // Ethernet's padding is no data.
    let sent = Frame::tcp(roles.client, roles.node_port)
        .flags(SYN)
        .pad_to(90)
        .build();
    bench
        .uplink(&sent)
        .is_answered(Reason::NoEndpoints, &expected_reset(&sent));
}

fn rule_5_3_3_a_segment_in_mid_stream_without_a_record_is_reset(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    for flags in [ACK, ACK | PSH, FIN | ACK, SYN | ACK, FIN, 0] {
        let frame = Frame::tcp(roles.client, roles.node_port)
            .seq(9_000)
            .ack(77)
            .flags(flags);
        let sent = frame.payload("lost").build();
        bench
            .uplink(&sent)
            .is_answered(Reason::MidStream, &expected_reset(&sent));
    }
    assert_eq!(bench.machine.records(), []);
}

fn a_reset_without_a_record_is_dropped_and_never_answered(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    for flags in [RST, RST | ACK, RST | SYN] {
        let sent = Frame::tcp(roles.client, roles.node_port)
            .flags(flags)
            .build();
        bench.uplink(&sent).is_dropped(Reason::MidStreamReset);
        let unknown = SocketAddr::new(roles.service.ip(), 81);
        let sent = Frame::tcp(caller(case), unknown).flags(flags).build();
        bench.pod(POD, &sent).is_dropped(Reason::MidStreamReset);
    }
}

fn rule_2_4_5_a_long_datagram_is_quoted_in_part(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[]);
    for payload in [0, 1, 2, 3, 4, 5, 463, 464, 465, 483, 484, 485, 1400] {
        let sent = case.with_payload(roles.client, roles.node_port, payload);
        let exit = bench.enters(UPLINK, &sent);
        exit.is_answered(Reason::NoEndpoints, &case.refusal(&sent));
    }
}
