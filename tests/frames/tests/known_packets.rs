//! The oracle against numbers from elsewhere: RFC 1071, sums by hand, and a Linux kernel.

mod common;

use common::*;
use tidegate_frames::frame::tcp::{ACK, FIN, RST, SYN};
use tidegate_frames::frame::{Extension, Frame};
use tidegate_frames::oracle::{checksum, expected_reset, expected_unreachable, verify};
use tidegate_frames::{Roles, explain_difference};

#[test]
fn rfc_1071_section_3_example_sums_to_ddf2() {
    let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(checksum::sum(&data), 0xddf2);
}

#[test]
fn a_sum_pads_an_odd_byte_on_the_right_and_carries_round() {
    // 0xffff + 0x0100 = 0x100ff, and the carry comes back in: 0x0100.
    assert_eq!(checksum::sum(&[0xff, 0xff, 0x01]), 0x0100);
    assert_eq!(checksum::sum(&[]), 0);
}

#[test]
fn an_ipv4_header_worked_out_by_hand() {
    // 4500+0073+0000+4000+4011+0000+c0a8+0001+c0a8+00c7 = 2479c; 479c+2 = 479e; inverted: b861.
    let header = bytes("45000073 00004000 4011b861 c0a80001 c0a800c7");
    assert_eq!(checksum::ipv4_header(&header), 0xb861);
}

#[test]
fn a_udp_datagram_worked_out_by_hand() {
    // Pseudo-header: c0a8+010a = c1b2, +0a60 = cc12, +000a = cc1c, +0011 = cc2d, +000a = cc37.
    // Datagram: 9c40+0035+000a = 9c7f, +6869 = 104e8. Together 1d11f, carried d120, inverted 2edf.
    let client = "192.168.1.10".parse().unwrap();
    let service = "10.96.0.10".parse().unwrap();
    let datagram = bytes("9c400035 000a0000 6869");
    assert_eq!(checksum::udp(client, service, &datagram), 0x2edf);
}

#[test]
fn what_a_kernel_sends_verifies() {
    let all = [
        DNS_V4,
        DNS_V4_REFUSED,
        SYN_V4,
        SYN_V4_REFUSED,
        DNS_V6,
        DNS_V6_REFUSED,
        SYN_V6,
        SYN_V6_REFUSED,
    ];
    for hex in all {
        assert_eq!(verify(&bytes(hex)), Ok(()), "{hex}");
    }
}

#[test]
fn the_builder_makes_the_kernels_dns_question_byte_for_byte() {
    let question = bytes("1d0f01000001000000000000 076578616d706c65 03636f6d 00 0001 0001");
    let client = "10.96.0.1:40000".parse().unwrap();
    let server = "10.96.0.10:53".parse().unwrap();
    let frame = Frame::udp(client, server)
        .id(0x9264)
        .payload(&question)
        .build();
    assert_eq!(explain_difference(&bytes(DNS_V4), &frame), "");

    let client = "[fd00:7469:96::1]:40000".parse().unwrap();
    let server = "[fd00:7469:96::10]:53".parse().unwrap();
    let frame = Frame::udp(client, server)
        .flow_label(0x64579)
        .payload(&question)
        .build();
    assert_eq!(explain_difference(&bytes(DNS_V6), &frame), "");
}

#[test]
fn the_builder_makes_the_kernels_syn_byte_for_byte() {
    let client = "10.96.0.1:40001".parse().unwrap();
    let server = "10.96.0.10:80".parse().unwrap();
    let options = bytes("020405b4 0402 080a77a0a91000000000 01 03030a");
    let frame = Frame::tcp(client, server)
        .flags(SYN)
        .id(0xc4e7)
        .seq(0xc62d_52be)
        .ack(0);
    let frame = frame.window(64240).options(&options).build();
    assert_eq!(explain_difference(&bytes(SYN_V4), &frame), "");
}

#[test]
fn rule_2_4_5_the_expected_reset_is_the_kernels() {
    let reset = expected_reset(&bytes(SYN_V4));
    assert_eq!(explain_difference(&bytes(SYN_V4_REFUSED), &reset), "");

    let mut kernels = bytes(SYN_V6_REFUSED);
    // The kernel invents a flow label; no checksum covers it.
    kernels[15..18].fill(0);
    assert_eq!(
        explain_difference(&kernels, &expected_reset(&bytes(SYN_V6))),
        ""
    );
}

#[test]
fn rule_2_4_4_the_expected_unreachable_is_the_kernels() {
    let ours = expected_unreachable(&bytes(DNS_V4), 3, 3, None);
    let kernels = bytes(DNS_V4_REFUSED);
    // The kernel marks its errors "internetwork control" and numbers them.
    assert_eq!(ours[14..24], bytes("45000055 00004000 4001"));
    assert_eq!(explain_difference(&kernels[26..], &ours[26..]), "");
    assert_eq!(verify(&ours), Ok(()));

    let mut kernels = bytes(DNS_V6_REFUSED);
    kernels[15..18].fill(0);
    let ours = expected_unreachable(&bytes(DNS_V6), 1, 4, None);
    assert_eq!(explain_difference(&kernels, &ours), "");
}

#[test]
fn a_reset_of_an_acknowledging_segment_takes_its_sequence_from_the_acknowledgement() {
    for Roles {
        client, service, ..
    } in [Roles::v4(), Roles::v6()]
    {
        let segment = Frame::tcp(client, service)
            .flags(ACK)
            .seq(7)
            .ack(0x0102_0304);
        let segment = segment
            .payload(b"hello")
            .service_vlan(0xe064)
            .vlan(7)
            .build();
        let reset = expected_reset(&segment);
        assert_eq!(verify(&reset), Ok(()));
        let tcp = reset.len() - 20;
        assert_eq!(reset[tcp + 4..tcp + 8], [1, 2, 3, 4], "sequence");
        assert_eq!(reset[tcp + 8..tcp + 12], [0; 4], "acknowledgement");
        assert_eq!(reset[tcp + 13], RST);
        assert_eq!(reset[12..20], segment[12..20], "tags");
    }
}

#[test]
fn a_reset_acknowledges_data_syn_and_fin_but_no_padding() {
    let Roles {
        client, service, ..
    } = Roles::v4();
    let segment = Frame::tcp(client, service)
        .seq(0xffff_ffff)
        .payload(b"abc")
        .pad_to(60);
    let acknowledged = |flags| {
        let reset = expected_reset(&segment.clone().flags(flags).build());
        assert_eq!(reset[47], RST | ACK);
        u32::from_be_bytes([reset[42], reset[43], reset[44], reset[45]])
    };
    assert_eq!(acknowledged(0), 2);
    assert_eq!(acknowledged(SYN), 3);
    assert_eq!(acknowledged(SYN | FIN), 4);
}

#[test]
fn no_reset_answers_a_reset_or_what_is_no_segment() {
    let Roles {
        client, service, ..
    } = Roles::v4();
    assert!(expected_reset(&Frame::tcp(client, service).flags(RST).build()).is_empty());
    assert!(expected_reset(&Frame::udp(client, service).build()).is_empty());
    assert!(expected_reset(&Frame::tcp(client, service).data_offset(3).build()).is_empty());
    for length in 0..54 {
        let cut = Frame::tcp(client, service).cut_to(length).build();
        assert!(expected_reset(&cut).is_empty());
        assert!(expected_unreachable(&cut, 3, 3, None).is_empty());
    }
}

#[test]
fn an_icmp_error_quotes_at_most_512_bytes_and_no_padding() {
    for (
        Roles {
            client, service, ..
        },
        header,
    ) in [(Roles::v4(), 20), (Roles::v6(), 40)]
    {
        let long = Frame::udp(client, service).payload([7; 1400]).build();
        let error = expected_unreachable(&long, 3, 4, Some(1400));
        assert_eq!(error.len(), 14 + header + 8 + 512);
        assert_eq!(error[14 + header + 8..], long[14..14 + 512]);
        assert_eq!(
            error[14 + header + 4..14 + header + 8],
            [0, 0, 0x05, 0x78],
            "MTU 1400"
        );

        let short = Frame::udp(client, service).payload(b"x").pad_to(80).build();
        let error = expected_unreachable(&short, 3, 3, None);
        assert_eq!(error.len(), 14 + header + 8 + header + 9);
    }
}

#[test]
fn a_routing_header_with_stops_left_is_summed_with_the_final_destination() {
    // RFC 8200 section 8.1. The same datagram has the same checksum before and after its stop.
    let Roles {
        client,
        service,
        backend,
        ..
    } = Roles::v6();
    let std::net::IpAddr::V6(last) = backend.ip() else {
        panic!("not IPv6")
    };
    let std::net::SocketAddr::V6(mut arrived) = backend else {
        panic!("not IPv6")
    };
    arrived.set_port(service.port());
    let under_way = Frame::udp(client, service).extension(Extension::routing(2, 1, &[last]));
    let there = Frame::udp(client, arrived.into());
    let (under_way, there) = (
        under_way.payload(b"hi").build(),
        there.payload(b"hi").build(),
    );
    assert_eq!(verify(&under_way), Ok(()));
    assert_eq!(under_way[under_way.len() - 10..], there[there.len() - 10..]);
}
