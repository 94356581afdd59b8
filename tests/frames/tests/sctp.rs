//! SCTP: the checksum against published numbers, builders, translation.

#[path = "common/hex.rs"]
mod hex;

use hex::bytes;
use tidegate_frames::frame::{Chunk, Crc, Extension, Frame, Sctp};
use tidegate_frames::oracle::{
    Rewrite, crc32c, dissect::dissect, translate, translate_preserving_error, verify,
};
use tidegate_frames::{Roles, explain_difference};

fn both() -> [Roles; 2] {
    [Roles::v4(), Roles::v6()]
}

fn to_backend(roles: &Roles) -> Rewrite {
    Rewrite {
        src: roles.node_port,
        dst: roles.backend,
        ttl_minus: 1,
        macs: None,
    }
}

/// One packet of each kind.
fn kinds(roles: &Roles) -> Vec<Frame<Sctp>> {
    let packet = || Frame::sctp(roles.client, roles.service);
    vec![
        packet().verification_tag(0).chunk(Chunk::init(7)),
        packet().chunk(Chunk::init_ack(8)),
        packet()
            .chunk(Chunk::cookie_echo())
            .chunk(Chunk::data(1, "odd")),
        packet().chunk(Chunk::cookie_ack()).chunk(Chunk::sack(1)),
        packet().chunk(Chunk::heartbeat()).vlan(7),
        packet().chunk(Chunk::data(2, [9; 1000])),
        packet().chunk(Chunk::shutdown(2)).pad_to(90),
        packet().chunk(Chunk::shutdown_ack()),
        packet().chunk(Chunk::shutdown_complete()),
        packet().chunk(Chunk::abort()),
        packet(),
    ]
}

#[test]
fn rule_5_4_3_crc32c_agrees_with_published_numbers() {
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    // RFC 3720, section B.4.
    let rising: Vec<u8> = (0..32).collect();
    let falling: Vec<u8> = (0..32).rev().collect();
    assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c::crc32c(&[0xff; 32]), 0x62a8_ab43);
    assert_eq!(crc32c::crc32c(&rising), 0x46dd_794e);
    assert_eq!(crc32c::crc32c(&falling), 0x113f_db5c);
    assert_eq!(crc32c::crc32c(&[]), 0);
}

#[test]
fn rule_5_4_3_the_field_agrees_with_packets_that_scapy_made() {
    let init = "0000 0000 00000000 402c0b5f 0100001c 00000000 00000000 00000000 00000000 00050008 7f000001";
    let sack = "0000 0000 00000000 3b01d404 03000014 00000000 00000000 00010000 0007001c";
    for packet in [bytes(init), bytes(sack)] {
        assert_eq!(crc32c::sctp(&packet), packet[crc32c::FIELD]);
    }
}

#[test]
fn chunks_have_the_lengths_that_they_state_and_are_padded() {
    let Roles {
        client, service, ..
    } = Roles::v4();
    let data = Frame::sctp(client, service)
        .chunk(Chunk::data(1, "hello"))
        .build();
    assert_eq!(
        data[46..],
        *bytes("00030015 00000001 00000000 00000000 68656c6c 6f000000")
    );
    let init = Frame::sctp(client, service)
        .verification_tag(0)
        .chunk(Chunk::init(7))
        .build();
    assert_eq!(
        init[34..42],
        *bytes("9c40 0050 00000000"),
        "ports, then the tag of an INIT"
    );
    assert_eq!(
        init[46..],
        *bytes("01000014 00000007 00010000 000a000a 00000001")
    );
}

#[test]
fn rule_5_4_3_a_port_change_needs_a_new_checksum_and_an_address_change_none() {
    for roles in both() {
        for frame in kinds(&roles) {
            let frame = frame.build();
            assert_eq!(verify(&frame), Ok(()));
            let there = translate(&frame, to_backend(&roles));
            assert_eq!(verify(&there), Ok(()));
            let shifted = translate_preserving_error(&frame, to_backend(&roles));
            assert_eq!(explain_difference(&there, &shifted), "");
            let mut same_ports = to_backend(&roles);
            same_ports.src.set_port(roles.client.port());
            same_ports.dst.set_port(roles.service.port());
            let there = translate(&frame, same_ports);
            let sctp = dissect(&frame).unwrap().transport;
            assert_eq!(there[sctp..], frame[sctp..]);
        }
    }
}

#[test]
fn a_translated_packet_is_the_packet_built_for_the_new_endpoints() {
    for roles in both() {
        let built = |src, dst| Frame::sctp(src, dst).chunk(Chunk::data(1, "hello"));
        let there = translate(
            &built(roles.client, roles.service).build(),
            to_backend(&roles),
        );
        let expected = built(roles.node_port, roles.backend).ttl(63).build();
        assert_eq!(explain_difference(&expected, &there), "");
    }
}

#[test]
fn a_wrong_checksum_stays_wrong_and_one_that_is_not_there_stays_away() {
    for roles in both() {
        let built = |crc| {
            let frame = Frame::sctp(roles.client, roles.service).crc(crc);
            frame.chunk(Chunk::data(1, "hello")).build()
        };
        let there = translate_preserving_error(&built(Crc::Wrong), to_backend(&roles));
        assert!(verify(&there).unwrap_err().starts_with("SCTP checksum at"));
        let back = Rewrite {
            src: roles.client,
            dst: roles.service,
            ttl_minus: 0,
            macs: None,
        };
        let back = translate_preserving_error(&there, back);
        let sctp = dissect(&back).unwrap().transport;
        assert_eq!(back[sctp..], built(Crc::Wrong)[sctp..]);
        for translate in [translate, translate_preserving_error] {
            let there = translate(&built(Crc::Zero), to_backend(&roles));
            let sctp = dissect(&there).unwrap().transport;
            assert_eq!(there[sctp..][crc32c::FIELD], [0; 4]);
            assert_ne!(there, built(Crc::Zero), "the rest is translated");
        }
    }
}

#[test]
fn any_damaged_or_missing_byte_is_noticed() {
    for roles in both() {
        let frame = Frame::sctp(roles.client, roles.service).chunk(Chunk::data(1, "hello"));
        let frame = frame.build();
        let sctp = dissect(&frame).unwrap().transport;
        for at in sctp..frame.len() {
            let mut damaged = frame.clone();
            damaged[at] ^= 0x10;
            assert!(verify(&damaged).is_err(), "{at}");
            assert!(verify(&frame[..at]).is_err(), "{at}");
        }
    }
}

#[test]
fn what_is_no_whole_sctp_header_is_not_translated() {
    for roles in both() {
        let short = Frame::raw(roles.client, roles.service, 132).payload([0; 11]);
        assert_eq!(translate(&short.build(), to_backend(&roles)), short.build());
        let long = Frame::sctp(roles.client, roles.service).chunk(Chunk::data(1, [7; 900]));
        let fragments = long.fragments(400);
        let there: Vec<_> = fragments
            .iter()
            .map(|frame| translate(frame, to_backend(&roles)))
            .collect();
        assert_eq!(there[0], fragments[0], "its checksum depends on the rest");
        assert_ne!(there[1], fragments[1]);
    }
}

#[test]
fn a_difference_is_named_by_its_field() {
    let Roles {
        client, service, ..
    } = Roles::v6();
    let frame = Frame::sctp(client, service)
        .chunk(Chunk::data(1, "hello"))
        .chunk(Chunk::abort())
        .extension(Extension::hop_by_hop(1));
    let expected = frame.build();
    let got: Vec<u8> = expected.iter().map(|byte| !byte).collect();
    let text = explain_difference(&expected, &got);
    for name in [
        "SCTP source port at 62..64",
        "SCTP verification tag at 66..70",
        "SCTP checksum at 70..74",
        "SCTP chunk type at 74..75",
        "SCTP chunk value at 78..98",
        "SCTP chunk length at 100..102",
    ] {
        assert!(text.contains(name), "no {name} in:\n{text}");
    }
}
