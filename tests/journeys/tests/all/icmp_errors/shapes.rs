//! Errors of every shape: truncated quotes, options, tags, extensions.

use std::net::SocketAddr;

use tidegate_abi::Reason;
use tidegate_frames::{
    Frame,
    frame::{Chunk, Extension},
    oracle::verify,
};
use tidegate_journeys::{Bench, Case, Out, journeys, textbook::UPLINK};

use super::{Flow, errors, is_right, packet, router, sender, to_client};

journeys! {
    all: rule_5_5_9_a_quote_may_end_anywhere_behind_the_ports,
        rule_5_5_1_tags_options_and_extensions_are_kept,
        rule_5_5_1_a_quoted_header_may_have_options_or_extensions,
        rule_5_5_1_what_stands_behind_the_quote_is_kept,
        rule_5_6_12_an_error_that_is_at_its_last_hop_is_dropped;
}

fn rule_5_5_9_a_quote_may_end_anywhere_behind_the_ports(bench: &mut Bench<'_>, case: &Case) {
    let flow = Flow::open(bench, case, case.places.roles.remote_backend);
    let about = packet(&bench.uplink(&case.later(flow.client, flow.dialled)).frame);
    let ports = if flow.client.is_ipv4() { 24 } else { 44 };
    for limit in 0..=about.len() {
        let error = Frame::port_unreachable(flow.pod, sender(&about));
        let frame = error.quoting(&about, limit).build();
        let exit = flow.backend_sends(bench, case, &frame);
        if limit < ports {
            exit.is_passed(Reason::NotTransport);
            continue;
        }
        exit.is_relayed(to_client(flow.client, flow.dialled), Out::Link(UPLINK));
        assert_eq!(verify(&exit.frame), Ok(()), "{limit} bytes");
    }
}

fn rule_5_5_1_tags_options_and_extensions_are_kept(bench: &mut Bench<'_>, case: &Case) {
    let flow = Flow::open(bench, case, case.places.roles.remote_backend);
    let about = packet(&flow.request);
    let error = || Frame::port_unreachable(flow.pod, sender(&about)).quoting(&about, 512);
    let dressed = match flow.client {
        SocketAddr::V4(_) => error().ip_options(&[148, 4, 0, 0]),
        SocketAddr::V6(_) => error().extension(Extension::destination_options(2)),
    };
    for frame in [error().vlan(7), error().vlan(7).vlan(8), dressed] {
        let exit = flow.backend_sends(bench, case, &frame.pad_to(200).build());
        exit.is_relayed(to_client(flow.client, flow.dialled), Out::Link(UPLINK));
        is_right(&exit);
    }
}

fn rule_5_5_1_a_quoted_header_may_have_options_or_extensions(bench: &mut Bench<'_>, case: &Case) {
    let flow = Flow::open(bench, case, case.places.roles.remote_backend);
    macro_rules! dressed {
        ($frame:expr) => {
            match flow.client {
                SocketAddr::V4(_) => $frame.ip_options(&[1; 12]).build_packet(),
                SocketAddr::V6(_) => $frame.extension(Extension::hop_by_hop(2)).build_packet(),
            }
        };
    }
    let about = match case.proto {
        tidegate_abi::Proto::TCP => dressed!(Frame::tcp(flow.seen, flow.pod).payload("dressed")),
        tidegate_abi::Proto::SCTP => {
            dressed!(Frame::sctp(flow.seen, flow.pod).chunk(Chunk::sack(1)))
        }
        _ => dressed!(Frame::udp(flow.seen, flow.pod).payload("dressed")),
    };
    let error = Frame::port_unreachable(flow.pod, flow.seen).quoting(&about, 512);
    let exit = flow.backend_sends(bench, case, &error.build());
    exit.is_relayed(to_client(flow.client, flow.dialled), Out::Link(UPLINK));
    is_right(&exit);
}

fn rule_5_5_1_what_stands_behind_the_quote_is_kept(bench: &mut Bench<'_>, case: &Case) {
    let flow = Flow::open(bench, case, case.places.roles.remote_backend);
    let about = packet(&flow.request);
    let extension = [0x20, 0, 0, 0, 0, 8, 1, 1, 0xca, 0xfe, 0xf0, 0x0d];
    let error = Frame::time_exceeded(router(case), sender(&about));
    let frame = error
        .quoting_with_extension(&about, 500, &extension)
        .build();
    let exit = flow.backend_sends(bench, case, &frame);
    exit.is_relayed(to_client(flow.client, flow.dialled), Out::Link(UPLINK));
    is_right(&exit);
    assert!(exit.frame.ends_with(&extension));
}

fn rule_5_6_12_an_error_that_is_at_its_last_hop_is_dropped(bench: &mut Bench<'_>, case: &Case) {
    let flow = Flow::open(bench, case, case.places.roles.remote_backend);
    for error in errors(flow.pod, &packet(&flow.request)) {
        let exit = bench.uplink(&error.ttl(1).build());
        exit.is_dropped(Reason::TtlExceeded);
    }
}
