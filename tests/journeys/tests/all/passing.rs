//! What is none of ours goes on byte for byte; what no sender may send is dropped, never translated.

use std::net::SocketAddr;

use tidegate_abi::{Proto, Reason, frontend::flags::NODE_PORT, reason::Kind};
use tidegate_frames::{
    Frame,
    frame::{Extension, non_ip, tcp::SYN},
};
use tidegate_journeys::{Bench, Case, journeys, machine::Program, textbook::POD};

journeys! {
    all: rule_3_2_9_a_packet_that_no_service_owns_is_not_touched,
        rule_5_6_7_a_frame_cut_anywhere_before_its_end_is_dropped,
        rule_5_6_7_an_ip_header_that_lies_is_dropped;
    families: rule_5_4_5_other_protocols_are_not_touched,
        rule_5_5_10_neighbour_discovery_and_other_icmp_is_not_touched,
        frames_that_are_not_ip_are_not_touched,
        more_vlan_tags_than_are_walked_are_left_to_the_kernel;
    tcp: rule_5_6_7_a_tcp_header_that_lies_is_dropped;
    udp: rule_5_6_7_a_udp_length_that_lies_is_dropped;
}

/// The node serves the NodePort of both transports, so that only the frame can be the reason.
fn start(bench: &mut Bench<'_>, case: &Case) -> (SocketAddr, SocketAddr) {
    let roles = case.places.roles;
    let mut scene = tidegate_journeys::textbook::scene();
    let backend = scene.backend(roles.backend);
    for proto in [Proto::TCP, Proto::UDP] {
        scene.frontend(roles.node_port, proto, NODE_PORT, &[backend]);
    }
    bench.start(&scene);
    (roles.client, roles.node_port)
}

/// All programs of the case leave it alone.
#[track_caller]
fn is_passed(bench: &mut Bench<'_>, frame: &[u8], reason: Reason) {
    bench.uplink(frame).is_passed(reason);
    bench.pod(POD, frame).is_passed(reason);
    bench.overlay(frame).is_passed(reason);
    assert_eq!(bench.machine.records(), []);
}

#[track_caller]
fn is_dropped(bench: &mut Bench<'_>, frame: &[u8], reason: Reason) {
    let tc_too = bench.machine.takes(Program::TcPod, frame);
    if bench.is_staged() || tc_too {
        bench.uplink(frame).is_dropped(reason);
    }
    if tc_too {
        bench.pod(POD, frame).is_dropped(reason);
    }
    assert_eq!(bench.machine.records(), []);
}

fn rule_3_2_9_a_packet_that_no_service_owns_is_not_touched(bench: &mut Bench<'_>, case: &Case) {
    let (client, _) = start(bench, case);
    let (roles, elsewhere) = (case.places.roles, case.places.elsewhere);
    for dst in [
        elsewhere,
        roles.backend,
        roles.remote_backend,
        case.places.sibling,
    ] {
        for frame in [
            case.first(client, dst),
            case.later(client, dst),
            case.reply(client, dst),
        ] {
            is_passed(bench, &frame, Reason::NotService);
        }
    }
    let nowhere = if client.is_ipv4() {
        "0.0.0.0:30008"
    } else {
        "[::]:30008"
    };
    let frame = case.first(client, nowhere.parse().expect("an address"));
    is_passed(bench, &frame, Reason::NotService);
}

fn rule_5_6_7_a_frame_cut_anywhere_before_its_end_is_dropped(bench: &mut Bench<'_>, case: &Case) {
    let (client, dialled) = start(bench, case);
    let whole = case.first(client, dialled);
    for len in 14..whole.len() {
        is_dropped(bench, &whole[..len], Reason::Truncated);
    }
    let tagged = Frame::udp(client, dialled).vlan(7).vlan(8).build();
    for len in 15..22 {
        is_dropped(bench, &tagged[..len], Reason::Truncated);
    }
}

fn rule_5_6_7_an_ip_header_that_lies_is_dropped(bench: &mut Bench<'_>, case: &Case) {
    let (client, dialled) = start(bench, case);
    let lies = |frame: Frame<_>| {
        let v4 = frame.is_v4();
        let mut lies = vec![
            (frame.clone().ip_version(5), Reason::Malformed),
            (frame.clone().ip_length(0xffff), Reason::Truncated),
            (
                frame
                    .clone()
                    .ip_length(if v4 { 39 } else { 7 })
                    .payload([0; 40]),
                Reason::Truncated,
            ),
        ];
        if v4 {
            lies.push((frame.clone().ihl(4), Reason::Malformed));
            lies.push((frame.clone().ihl(0), Reason::Malformed));
            lies.push((frame.clone().ihl(15), Reason::Malformed));
            lies.push((frame.clone().ip_length(19), Reason::Malformed));
            lies.push((frame.ip_length(0), Reason::Malformed));
        } else {
            // An extension header that reaches beyond the packet.
            let beyond = Extension::exactly(60, &[200, 1, 4, 0, 0, 0, 0]);
            lies.push((frame.clone().extension(beyond), Reason::Truncated));
            lies.push((frame.ip_length(0), Reason::Truncated));
        }
        lies
    };
    for (frame, reason) in lies(Frame::tcp(client, dialled).flags(SYN)) {
        is_dropped(bench, &frame.build(), reason);
    }
}

fn rule_5_4_5_other_protocols_are_not_touched(bench: &mut Bench<'_>, case: &Case) {
    let (client, dialled) = start(bench, case);
    for protocol in [1, 2, 33, 47, 50, 58, 89, 136, 255] {
        let frame = Frame::raw(client, dialled, protocol)
            .payload([9; 40])
            .build();
        is_passed(bench, &frame, Reason::NotTransport);
    }
}

fn rule_5_5_10_neighbour_discovery_and_other_icmp_is_not_touched(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (client, dialled) = start(bench, case);
    let kinds: &[u8] = if client.is_ipv4() {
        &[0, 8, 11, 13]
    } else {
        &[128, 129, 133, 134, 135, 136, 143]
    };
    for kind in kinds {
        let frame = Frame::icmp(client, dialled, *kind, 0)
            .payload([3; 24])
            .build();
        is_passed(bench, &frame, Reason::NotTransport);
    }
}

fn frames_that_are_not_ip_are_not_touched(bench: &mut Bench<'_>, case: &Case) {
    start(bench, case);
    for ethertype in [0x0806, 0x88cc, 0x8863, 0x0026, 0xffff] {
        is_passed(bench, &non_ip(ethertype, &[1; 46]), Reason::NotIp);
    }
    is_passed(bench, &non_ip(0x0806, &[]), Reason::NotIp);
}

fn more_vlan_tags_than_are_walked_are_left_to_the_kernel(bench: &mut Bench<'_>, case: &Case) {
    let (client, dialled) = start(bench, case);
    let frame = Frame::tcp(client, dialled)
        .flags(SYN)
        .service_vlan(1)
        .vlan(2)
        .vlan(3)
        .build();
    is_passed(bench, &frame, Reason::TooManyHeaders);
}

fn rule_5_6_7_a_tcp_header_that_lies_is_dropped(bench: &mut Bench<'_>, case: &Case) {
    let (client, dialled) = start(bench, case);
    for words in [0, 4, 6, 15] {
        let frame = Frame::tcp(client, dialled)
            .flags(SYN)
            .data_offset(words)
            .build();
        is_dropped(bench, &frame, Reason::Malformed);
    }
}

fn rule_5_6_7_a_udp_length_that_lies_is_dropped(bench: &mut Bench<'_>, case: &Case) {
    let (client, dialled) = start(bench, case);
    assert_eq!(Reason::Malformed.kind(), Kind::Drop);
    for length in [0, 7, 13, 0xffff] {
        let frame = Frame::udp(client, dialled)
            .payload("four")
            .udp_length(length)
            .build();
        is_dropped(bench, &frame, Reason::Malformed);
    }
}
