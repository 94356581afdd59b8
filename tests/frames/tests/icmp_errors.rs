//! ICMP errors about translated packets, whole and truncated; and echo replies.

use std::net::{IpAddr, SocketAddr};

use tidegate_frames::frame::{Checksum, Chunk, Extension, Frame, Icmp};
use tidegate_frames::oracle::dissect::dissect;
use tidegate_frames::oracle::{
    Related, expected_echo_reply, translate_icmp_error, verify, verify_quote,
};
use tidegate_frames::{Roles, explain_difference};

fn both() -> [Roles; 2] {
    [Roles::v4(), Roles::v6()]
}

/// What turns the backend's error about a translated packet into the client's about its own.
fn to_client(roles: &Roles) -> Related {
    Related {
        src: roles.service.ip(),
        dst: roles.client.ip(),
        quoted_src: roles.client,
        quoted_dst: roles.service,
        ttl_minus: 1,
        macs: None,
    }
}

type Make = fn(SocketAddr, SocketAddr) -> Vec<u8>;

/// Packets of every transport, from the IP header on.
const PACKETS: [Make; 5] = [
    |src, dst| Frame::udp(src, dst).payload("some data").build_packet(),
    |src, dst| {
        Frame::tcp(src, dst)
            .options(&[1; 4])
            .payload("odd")
            .build_packet()
    },
    |src, dst| {
        Frame::sctp(src, dst)
            .chunk(Chunk::data(1, "hi"))
            .build_packet()
    },
    |src, dst| Frame::udp(src, dst).checksum(Checksum::Zero).build_packet(),
    |src, dst| match src.ip() {
        IpAddr::V4(_) => Frame::udp(src, dst)
            .ip_options(&[148, 4, 0, 0])
            .payload("x")
            .build_packet(),
        IpAddr::V6(_) => Frame::udp(src, dst)
            .extension(Extension::destination_options(1))
            .payload("x")
            .build_packet(),
    },
];

fn errors(src: SocketAddr, dst: SocketAddr) -> [Frame<Icmp>; 3] {
    [
        Frame::port_unreachable(src, dst),
        Frame::too_big(src, dst, 1300),
        Frame::time_exceeded(src, dst),
    ]
}

#[test]
fn rule_5_5_1_a_translated_error_is_the_error_built_for_the_clients_packet() {
    for roles in both() {
        for make in PACKETS {
            let (seen, sent) = (
                make(roles.node_port, roles.backend),
                make(roles.client, roles.service),
            );
            let from = errors(roles.backend, roles.node_port);
            let to = errors(roles.service, roles.client);
            for (from, to) in from.into_iter().zip(to) {
                let from = from.vlan(7).quoting(&seen, 512).build();
                let expected = to.vlan(7).ttl(63).quoting(&sent, 512).build();
                let there = translate_icmp_error(&from, to_client(&roles));
                assert_eq!(explain_difference(&expected, &there), "");
                assert_eq!(verify(&there), Ok(()));
            }
        }
    }
}

#[test]
fn rule_5_5_9_a_truncated_quote_is_translated_as_far_as_it_goes() {
    for roles in both() {
        for make in PACKETS {
            let (seen, sent) = (
                make(roles.node_port, roles.backend),
                make(roles.client, roles.service),
            );
            let error = |src, dst, quoted: &[u8], limit| {
                Frame::port_unreachable(src, dst).quoting(quoted, limit)
            };
            let transport = dissect(&framed(&seen)).unwrap().transport - 14;
            for limit in transport + 4..=seen.len() {
                let from = error(roles.backend, roles.node_port, &seen, limit).build();
                let there = translate_icmp_error(&from, to_client(&roles));
                let expected = error(roles.service, roles.client, &sent, limit).ttl(63);
                assert_eq!(verify(&there), Ok(()));
                assert_eq!(verify_quote(&there).is_ok(), verify_quote(&from).is_ok());
                // A checksum of which only a part is there cannot be brought in line.
                let (there, expected) = (quoted(&there), quoted(&expected.build()));
                let cut = cut_checksum(&seen, transport, limit);
                assert_eq!(there[..cut], expected[..cut], "{limit} of {}", seen.len());
                assert_eq!(there[cut..], seen[cut..limit]);
            }
        }
    }
}

/// A packet in a frame of its own.
fn framed(packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet[0] >> 4 == 4 {
        [8, 0]
    } else {
        [0x86, 0xdd]
    };
    [&[0; 12], &ethertype[..], packet].concat()
}

fn quoted(error: &[u8]) -> Vec<u8> {
    let anatomy = dissect(error).expect("a readable error");
    error[anatomy.transport + 8..].to_vec()
}

/// The end of what is translated when `limit` bytes are quoted.
fn cut_checksum(packet: &[u8], transport: usize, limit: usize) -> usize {
    let anatomy = dissect(&framed(packet)).expect("a readable packet");
    let (at, size) = match anatomy.protocol {
        6 => (transport + 16, 2),
        17 => (transport + 6, 2),
        _ => (transport + 8, 4),
    };
    if at < limit && limit < at + size {
        at
    } else {
        limit
    }
}

#[test]
fn rule_5_5_1_a_longer_quote_with_an_extension_keeps_both() {
    let extension = [0x20, 0, 0, 0, 0, 8, 1, 1, 0xca, 0xfe, 0xf0, 0x0d];
    for roles in both() {
        for make in PACKETS {
            let error = |src, dst, packet: &[u8]| {
                let frame = Frame::time_exceeded(src, dst);
                frame.quoting_with_extension(packet, 500, &extension)
            };
            let from = error(
                roles.backend,
                roles.node_port,
                &make(roles.node_port, roles.backend),
            );
            let to = error(
                roles.service,
                roles.client,
                &make(roles.client, roles.service),
            );
            let there = translate_icmp_error(&from.build(), to_client(&roles));
            assert_eq!(explain_difference(&to.ttl(63).build(), &there), "");
            assert_eq!(verify(&there), Ok(()));
            assert!(there.ends_with(&extension));
        }
    }
    let Roles {
        client, service, ..
    } = Roles::v4();
    let error = Frame::time_exceeded(service, client).quoting_with_extension(
        &Frame::udp(client, service).build_packet(),
        500,
        &extension,
    );
    assert_eq!(error.build()[34..42][5], 32, "words of four bytes");
    let Roles {
        client, service, ..
    } = Roles::v6();
    let error = Frame::time_exceeded(service, client).quoting_with_extension(
        &Frame::udp(client, service).build_packet(),
        500,
        &extension,
    );
    assert_eq!(error.build()[54..62][4], 16, "words of eight bytes");
}

#[test]
fn rule_5_5_9_a_quoted_checksum_that_is_wrong_stays_wrong() {
    for roles in both() {
        let packet = |src, dst| {
            Frame::udp(src, dst)
                .checksum(Checksum::Wrong)
                .payload("data")
        };
        let seen = packet(roles.node_port, roles.backend).build_packet();
        let error = Frame::port_unreachable(roles.backend, roles.node_port).quoting(&seen, 512);
        let there = translate_icmp_error(&error.build(), to_client(&roles));
        assert_eq!(verify(&there), Ok(()));
        assert!(verify_quote(&there).unwrap_err().contains("UDP checksum"));
    }
}

#[test]
fn what_is_no_error_or_quotes_too_little_comes_back_unchanged() {
    for roles in both() {
        let packet = Frame::udp(roles.node_port, roles.backend).build_packet();
        let header = packet.len() - 8;
        let error = Frame::port_unreachable(roles.backend, roles.node_port);
        let frames = [
            Frame::echo(roles.backend, roles.node_port, 1, 1)
                .payload(&packet)
                .build(),
            Frame::udp(roles.backend, roles.node_port)
                .payload(&packet)
                .build(),
            error.clone().build(),
            error.clone().quoting(&packet, header + 3).build(),
            error.clone().quoting(&packet, 12).build(),
            error.quoting(&packet, 512).ttl(0).build(),
        ];
        for frame in frames {
            assert_eq!(translate_icmp_error(&frame, to_client(&roles)), frame);
        }
    }
}

#[test]
fn an_error_that_travels_with_options_keeps_them() {
    let roles = Roles::v4();
    let seen = Frame::udp(roles.node_port, roles.backend).build_packet();
    let error = Frame::port_unreachable(roles.backend, roles.node_port)
        .ip_options(&[148, 4, 0, 0])
        .quoting(&seen, 512);
    let there = translate_icmp_error(&error.build(), to_client(&roles));
    assert_eq!(verify(&there), Ok(()));
    assert_eq!(verify_quote(&there), Ok(()));
    assert_eq!(there[34..38], [148, 4, 0, 0]);
}

#[test]
fn rule_2_4_12_an_echo_reply_is_the_request_turned_round() {
    for roles in both() {
        for size in [0, 1, 56, 1400] {
            let data = vec![0x61; size];
            let request = Frame::echo(roles.client, roles.service, 7, 3)
                .payload(&data)
                .vlan(9);
            let request = request.tos(0x10).ttl(3).build();
            let (kind, macs) = match roles.client.is_ipv4() {
                true => (0, &request[..12]),
                false => (129, &request[..12]),
            };
            let mac = |at: usize| [0, 1, 2, 3, 4, 5].map(|byte| macs[at + byte]);
            let expected = Frame::icmp(roles.service, roles.client, kind, 0)
                .rest([0, 7, 0, 3])
                .payload(&data)
                .macs(mac(0), mac(6))
                .tos(0x10)
                .vlan(9);
            let reply = expected_echo_reply(&request);
            assert_eq!(explain_difference(&expected.build(), &reply), "");
            assert_eq!(verify(&reply), Ok(()));
        }
        let not_requests = [
            Frame::icmp(roles.client, roles.service, 0, 0).build(),
            Frame::icmp(roles.client, roles.service, 129, 0).build(),
            Frame::udp(roles.client, roles.service).build(),
            Frame::echo(roles.client, roles.service, 1, 1)
                .payload([0; 99])
                .fragments(48)[0]
                .clone(),
            Frame::echo(roles.client, roles.service, 1, 1)
                .cut_to(40)
                .build(),
        ];
        for frame in not_requests {
            assert!(expected_echo_reply(&frame).is_empty());
        }
    }
}
