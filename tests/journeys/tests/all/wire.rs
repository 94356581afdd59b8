//! What stands around the transport header, and what its checksum may be.

use std::net::SocketAddr;

use tidegate_abi::{Reason, frontend::flags::NODE_PORT};
use tidegate_frames::{
    Checksum, Frame,
    frame::{Chunk, Extension, Sctp, Tcp, Udp, tcp::SYN},
    oracle::{dissect::dissect, verify},
};
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    textbook::{POD, UPLINK},
};

journeys! {
    all: rule_5_6_13_one_and_two_vlan_tags_stay_where_they_are,
        ethernet_padding_is_carried_along;
    v4: rule_5_6_6_ip_options_are_honoured;
    v6: rule_5_6_8_extension_headers_are_walked_and_kept;
    udp: rule_5_6_9_a_sum_that_comes_to_zero_is_sent_as_ffff,
        rule_5_6_9_a_zero_checksum_stays_zero,
        a_wrong_udp_checksum_stays_wrong;
    tcp: a_wrong_tcp_checksum_stays_wrong,
        rule_2_4_4_a_refused_segment_is_reset_inside_its_tags,
        rule_2_4_4_a_refused_segment_with_options_or_extensions_is_reset_without_them;
}

/// Any transport's frame, dressed alike.
enum Any {
    Tcp(Frame<Tcp>),
    Udp(Frame<Udp>),
    Sctp(Frame<Sctp>),
}

macro_rules! dress {
    ($case:expr, $src:expr, $dst:expr, $frame:ident => $dressed:expr) => {
        match plain($case, $src, $dst) {
            Any::Tcp($frame) => $dressed.build(),
            Any::Udp($frame) => $dressed.build(),
            Any::Sctp($frame) => $dressed.build(),
        }
    };
}

fn plain(case: &Case, src: SocketAddr, dst: SocketAddr) -> Any {
    match case.proto {
        tidegate_abi::Proto::TCP => Any::Tcp(Frame::tcp(src, dst).flags(SYN)),
        tidegate_abi::Proto::SCTP => Any::Sctp(Frame::sctp(src, dst).chunk(Chunk::init(1))),
        _ => Any::Udp(Frame::udp(src, dst).payload("datagram")),
    }
}

fn rule_5_6_13_one_and_two_vlan_tags_stay_where_they_are(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    for (port, pod) in [(40_000, roles.backend), (40_001, roles.remote_backend)] {
        bench.serve(case, roles.node_port, NODE_PORT, &[pod]);
        let client = SocketAddr::new(roles.client.ip(), port);
        let out = if pod == roles.backend {
            Out::Pod(POD)
        } else {
            Out::Link(UPLINK)
        };
        let one = dress!(case, client, roles.node_port, frame => frame.vlan(7));
        let exit = bench.uplink(&one);
        exit.is_translated(Reason::NewFlow, exit.src(), pod, out);
        let two = dress!(case, client, roles.node_port, frame => frame.service_vlan(9).vlan(7));
        let exit = bench.uplink(&two);
        exit.is_translated(Reason::KnownFlow, exit.src(), pod, out);
    }
}

fn ethernet_padding_is_carried_along(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.remote_backend]);
    let sent = dress!(case, roles.client, roles.node_port, frame => frame.pad_to(90));
    let exit = bench.uplink(&sent);
    exit.is_translated(
        Reason::NewFlow,
        exit.src(),
        roles.remote_backend,
        Out::Link(UPLINK),
    );
}

fn rule_5_6_6_ip_options_are_honoured(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (long, route) = ([1; 40], [7, 7, 4, 0, 0, 0, 0, 1]);
    let options: [&[u8]; 3] = [&[148, 4, 0, 0], &route, &long];
    for (options, pod) in
        options
            .into_iter()
            .zip([roles.backend, roles.remote_backend, roles.backend])
    {
        bench.serve(case, roles.node_port, NODE_PORT, &[pod]);
        let sent = dress!(case, roles.client, roles.node_port, frame => frame.ip_options(options));
        let exit = bench.uplink(&sent);
        let out = if pod == roles.backend {
            Out::Pod(POD)
        } else {
            Out::Link(UPLINK)
        };
        exit.is_translated(Reason::NewFlow, exit.src(), pod, out);
    }
}

fn rule_5_6_8_extension_headers_are_walked_and_kept(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let via = "fd00:7469:1::3".parse().expect("an address");
    let extensions = [
        Extension::hop_by_hop(1),
        Extension::destination_options(3),
        Extension::routing(2, 0, &[via]),
        Extension::destination_options(1),
    ];
    for count in 1..=extensions.len() {
        bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
        let with = extensions[..count].iter().cloned();
        let sent = dress!(case, roles.client, roles.node_port,
            frame => with.fold(frame, |frame, extension| frame.extension(extension)));
        let exit = bench.uplink(&sent);
        exit.is_translated(Reason::NewFlow, roles.client, roles.backend, Out::Pod(POD));
    }
    // A routing header with stops left: the packet is not at its destination yet.
    let (client, dialled) = (roles.client, roles.node_port);
    let sent =
        dress!(case, client, dialled, frame => frame.extension(Extension::routing(2, 1, &[via])));
    bench.uplink(&sent).is_passed(Reason::NotTransport);
    for count in [7, 12] {
        let sent = dress!(case, client, dialled, frame => (0..count)
            .fold(frame, |frame, _| frame.extension(Extension::destination_options(1))));
        bench.uplink(&sent).is_passed(Reason::TooManyHeaders);
    }
}

/// The UDP checksum of a frame.
fn udp_checksum(frame: &[u8]) -> [u8; 2] {
    let at = dissect(frame).expect("a whole frame").transport + 6;
    [frame[at], frame[at + 1]]
}

fn rule_5_6_9_a_sum_that_comes_to_zero_is_sent_as_ffff(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    bench.serve(case, dialled, NODE_PORT, &[roles.backend]);
    let after = Frame::udp(client, roles.backend)
        .payload_that_sums_to_zero([1; 10])
        .build();
    let payload = &after[after.len() - 10..];
    let exit = bench.uplink(&Frame::udp(client, dialled).payload(payload).build());
    exit.is_translated(Reason::NewFlow, client, roles.backend, Out::Pod(POD));
    assert_eq!(udp_checksum(&exit.frame), [0xff, 0xff]);
    // The other way: a reply that comes with 0xFFFF, and one that gets it.
    let reply = Frame::udp(roles.backend, client)
        .payload_that_sums_to_zero([2; 10])
        .build();
    assert_eq!(udp_checksum(&reply), [0xff, 0xff]);
    let exit = bench.pod(POD, &reply);
    exit.is_translated(Reason::KnownReply, dialled, client, Out::Link(UPLINK));
    let after = Frame::udp(dialled, client)
        .payload_that_sums_to_zero([3; 10])
        .build();
    let payload = &after[after.len() - 10..];
    let exit = bench.pod(
        POD,
        &Frame::udp(roles.backend, client).payload(payload).build(),
    );
    exit.is_translated(Reason::KnownReply, dialled, client, Out::Link(UPLINK));
    assert_eq!(udp_checksum(&exit.frame), [0xff, 0xff]);
}

fn rule_5_6_9_a_zero_checksum_stays_zero(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    for pod in [roles.backend, roles.remote_backend] {
        bench.serve(case, roles.node_port, NODE_PORT, &[pod]);
        let frame = Frame::udp(roles.client, roles.node_port).payload("no sum");
        let exit = bench.uplink(&frame.checksum(Checksum::Zero).build());
        let out = if pod == roles.backend {
            Out::Pod(POD)
        } else {
            Out::Link(UPLINK)
        };
        exit.is_translated(Reason::NewFlow, exit.src(), pod, out);
        assert_eq!(udp_checksum(&exit.frame), [0, 0]);
    }
}

fn a_wrong_udp_checksum_stays_wrong(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    let frame = Frame::udp(roles.client, roles.node_port).payload("damaged");
    let exit = bench.uplink(&frame.checksum(Checksum::Wrong).build());
    exit.keeps_its_error(roles.client, roles.backend);
    assert!(verify(&exit.frame).is_err());
}

fn a_wrong_tcp_checksum_stays_wrong(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    let frame = Frame::tcp(roles.client, roles.node_port).flags(SYN);
    let exit = bench.uplink(&frame.checksum(Checksum::Wrong).build());
    exit.keeps_its_error(roles.client, roles.backend);
    assert!(verify(&exit.frame).is_err());
}

fn rule_2_4_4_a_refused_segment_is_reset_inside_its_tags(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[]);
    let frame = Frame::tcp(roles.client, roles.node_port).flags(SYN).vlan(7);
    for sent in [frame.build(), frame.vlan(8).build()] {
        let expected = tidegate_frames::oracle::expected_reset(&sent);
        bench
            .uplink(&sent)
            .is_answered(Reason::NoEndpoints, &expected);
    }
}

fn rule_2_4_4_a_refused_segment_with_options_or_extensions_is_reset_without_them(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[]);
    let frame = Frame::tcp(roles.client, roles.node_port)
        .flags(SYN)
        .payload("early");
    let sent = match roles.client {
        SocketAddr::V4(_) => frame.ip_options(&[1; 12]).build(),
        SocketAddr::V6(_) => frame.extension(Extension::destination_options(2)).build(),
    };
    let expected = tidegate_frames::oracle::expected_reset(&sent);
    bench
        .uplink(&sent)
        .is_answered(Reason::NoEndpoints, &expected);
}
