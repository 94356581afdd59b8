//! Builders and the oracle agree; translation there and back is no translation.

use std::net::SocketAddr;

use tidegate_frames::frame::{Checksum, Extension, Frame};
use tidegate_frames::oracle::dissect::{Piece, dissect};
use tidegate_frames::oracle::{
    Rewrite, same_packet, translate, translate_preserving_error, verify, verify_quote,
};
use tidegate_frames::random::valid_frame_between;
use tidegate_frames::{Rng, Roles, explain_difference, random_frame};

const ROUNDS: u64 = 4000;

fn both() -> [Roles; 2] {
    [Roles::v4(), Roles::v6()]
}

fn rewrite(src: SocketAddr, dst: SocketAddr) -> Rewrite {
    Rewrite {
        src,
        dst,
        ttl_minus: 0,
        macs: None,
    }
}

fn valid(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let roles = both()[(seed % 2) as usize];
    valid_frame_between(&mut rng, &roles.all())
}

/// The frame's own endpoints, if it has ports.
fn endpoints(frame: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let anatomy = dissect(frame).ok()?;
    let port = |at: usize| {
        let has_ports = matches!(anatomy.protocol, 6 | 17 | 132) && anatomy.piece != Piece::Later;
        if has_ports {
            u16::from_be_bytes([frame[at], frame[at + 1]])
        } else {
            0
        }
    };
    let (src, dst) = (port(anatomy.transport), port(anatomy.transport + 2));
    Some((
        SocketAddr::new(anatomy.src, src),
        SocketAddr::new(anatomy.dst, dst),
    ))
}

#[test]
fn every_valid_random_frame_verifies() {
    for seed in 1..ROUNDS {
        let frame = valid(seed);
        assert_eq!(
            verify(&frame),
            Ok(()),
            "seed {seed}\n{}",
            tidegate_frames::hexdump(&frame)
        );
    }
}

#[test]
fn random_frames_repeat_and_never_panic_the_oracle() {
    let (mut one, mut two) = (Rng::new(3), Rng::new(3));
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..ROUNDS {
        let frame = random_frame(&mut one);
        assert_eq!(frame, random_frame(&mut two));
        assert!((14..2048).contains(&frame.len()));
        let roles = if frame[12..14] == [0x86, 0xdd] {
            Roles::v6()
        } else {
            Roles::v4()
        };
        let change = rewrite(roles.client, roles.backend);
        translate(&frame, change);
        translate_preserving_error(&frame, change);
        tidegate_frames::oracle::expected_reset(&frame);
        tidegate_frames::oracle::expected_unreachable(&frame, 3, 3, Some(9));
        explain_difference(&frame, &frame[1..]);
        drop(verify_quote(&frame));
        *(if verify(&frame).is_ok() {
            &mut right
        } else {
            &mut wrong
        }) += 1;
    }
    assert!(right > 1000 && wrong > 500, "{right} right, {wrong} wrong");
}

#[test]
fn translating_there_and_back_is_identity() {
    for seed in 1..ROUNDS {
        let frame = valid(seed);
        let Some((src, dst)) = endpoints(&frame) else {
            continue;
        };
        let roles = both()[(seed % 2) as usize];
        for translate in [translate, translate_preserving_error] {
            let there = translate(&frame, rewrite(roles.node_port, roles.backend));
            assert_eq!(verify(&there), Ok(()), "seed {seed}");
            let back = translate(&there, rewrite(src, dst));
            assert_eq!(explain_difference(&frame, &back), "", "seed {seed}");
        }
    }
}

#[test]
fn for_right_frames_the_full_sum_and_the_difference_agree() {
    for seed in 1..ROUNDS {
        let frame = valid(seed);
        let roles = both()[(seed % 2) as usize];
        let macs = Some(([2; 6], [4; 6]));
        let change = Rewrite {
            src: roles.client,
            dst: roles.backend,
            ttl_minus: 1,
            macs,
        };
        let (full, shifted) = (
            translate(&frame, change),
            translate_preserving_error(&frame, change),
        );
        assert_eq!(explain_difference(&full, &shifted), "", "seed {seed}");
    }
}

#[test]
fn a_wrong_checksum_stays_wrong_by_the_same_amount() {
    for roles in both() {
        let change = rewrite(roles.client, roles.remote_backend);
        let frames = [
            Frame::tcp(roles.client, roles.service)
                .checksum(Checksum::Wrong)
                .build(),
            Frame::udp(roles.client, roles.service)
                .checksum(Checksum::Wrong)
                .build(),
        ];
        for wrong in frames {
            let there = translate_preserving_error(&wrong, change);
            assert!(verify(&there).is_err());
            let back = translate_preserving_error(&there, rewrite(roles.client, roles.service));
            assert_eq!(explain_difference(&wrong, &back), "");
            assert_eq!(
                verify(&translate(&wrong, change)),
                Ok(()),
                "a full sum mends it"
            );
        }
    }
    let Roles {
        client,
        service,
        backend,
        ..
    } = Roles::v4();
    let wrong = Frame::tcp(client, service)
        .ip_checksum(Checksum::Wrong)
        .build();
    let there = translate_preserving_error(&wrong, rewrite(client, backend));
    assert!(
        verify(&there)
            .unwrap_err()
            .starts_with("IPv4 header checksum at 24..26")
    );
}

#[test]
fn rule_5_6_9_udp_zero_stays_zero_and_a_computed_zero_becomes_ffff() {
    for roles in both() {
        let zeroed = Frame::udp(roles.client, roles.service)
            .checksum(Checksum::Zero)
            .build();
        let field = zeroed.len() - 2;
        for translate in [translate, translate_preserving_error] {
            let there = translate(&zeroed, rewrite(roles.client, roles.backend));
            assert_eq!(there[field..], [0, 0]);
            assert_eq!(verify(&there).is_ok(), roles.client.is_ipv4());
        }
        let target = Frame::udp(roles.client, roles.backend).payload_that_sums_to_zero(b"spam--");
        let target = target.build();
        let mut before = Frame::udp(roles.client, roles.service);
        before = before.payload(&target[target.len() - 6..]);
        for translate in [translate, translate_preserving_error] {
            let there = translate(&before.build(), rewrite(roles.client, roles.backend));
            assert_eq!(there[there.len() - 8..there.len() - 6], [0xff, 0xff]);
            assert_eq!(explain_difference(&target, &there), "");
        }
    }
}

#[test]
fn a_tcp_checksum_may_be_zero() {
    let Roles {
        client, service, ..
    } = Roles::v4();
    let sum = |ack| Frame::tcp(client, service).ack(ack).build()[50..52].to_vec();
    let ack = u32::from(u16::from_be_bytes([sum(0)[0], sum(0)[1]]));
    assert_eq!(sum(ack), [0, 0]);
    let frame = Frame::tcp(client, service).ack(ack);
    assert_eq!(verify(&frame.build()), Ok(()));
    let other = frame.checksum(Checksum::Exactly(0xffff)).build();
    assert_eq!(verify(&other), Ok(()), "both spellings of zero add up");
}

#[test]
fn same_packet_forgives_only_the_spelling_of_zero_in_ipv4_and_tcp() {
    let Roles {
        client, service, ..
    } = Roles::v4();
    let tcp = |sum| {
        Frame::tcp(client, service)
            .checksum(Checksum::Exactly(sum))
            .build()
    };
    assert!(same_packet(&tcp(0), &tcp(0xffff)));
    assert!(!same_packet(&tcp(0), &tcp(1)));
    let ip = |sum| {
        Frame::udp(client, service)
            .ip_checksum(Checksum::Exactly(sum))
            .build()
    };
    assert!(same_packet(&ip(0), &ip(0xffff)));
    let udp = |sum| {
        Frame::udp(client, service)
            .checksum(Checksum::Exactly(sum))
            .build()
    };
    assert!(!same_packet(&udp(0), &udp(0xffff)));
    let echo = |sum| {
        Frame::echo(client, service, 1, 1)
            .checksum(Checksum::Exactly(sum))
            .build()
    };
    assert!(!same_packet(&echo(0), &echo(0xffff)));
    assert!(!same_packet(&tcp(0), &tcp(0)[..53]));
    assert!(!same_packet(&tcp(0)[..40], &tcp(0xffff)[..39]));
}

#[test]
fn rule_5_6_1_fragments_are_translated_alike_and_make_the_translated_datagram() {
    for roles in both() {
        let datagram = Frame::udp(roles.client, roles.service).payload([9; 3000]);
        let change = rewrite(roles.client, roles.backend);
        let whole = translate(&datagram.build(), change);
        let start = dissect(&whole).unwrap().transport;
        let fragments = datagram.fragments(1400);
        assert_eq!(fragments.len(), 3);
        let mut joined: Vec<u8> = Vec::new();
        for fragment in fragments {
            assert_eq!(verify(&fragment), Ok(()));
            let there = translate(&fragment, change);
            assert_eq!(there, translate_preserving_error(&fragment, change));
            let anatomy = dissect(&there).unwrap();
            assert_eq!(anatomy.dst, roles.backend.ip());
            joined.extend(&there[anatomy.transport..anatomy.end]);
        }
        assert_eq!(
            joined,
            whole[start..],
            "first fragment's checksum is the datagram's"
        );
    }
}

#[test]
fn what_must_not_be_translated_comes_back_unchanged() {
    let (four, six) = (Roles::v4(), Roles::v6());
    let change = Rewrite {
        src: four.client,
        dst: four.backend,
        ttl_minus: 1,
        macs: None,
    };
    let unchanged = [
        Frame::tcp(six.client, six.service).build(),
        Frame::tcp(four.client, four.service).ttl(0).build(),
        Frame::tcp(four.client, four.service).cut_to(53).build(),
        Frame::raw(four.client, four.service, 6)
            .payload([0; 19])
            .build(),
        tidegate_frames::frame::non_ip(0x0806, &[0; 28]),
    ];
    for frame in unchanged {
        assert_eq!(translate(&frame, change), frame);
        assert_eq!(translate_preserving_error(&frame, change), frame);
    }
}

#[test]
fn a_translated_frame_is_the_frame_built_for_the_new_endpoints() {
    for roles in both() {
        let built = |src, dst| Frame::tcp(src, dst).payload(b"hello").vlan(7);
        let before = built(roles.client, roles.service).ttl(64).build();
        let after = built(roles.node_port, roles.backend)
            .ttl(62)
            .macs([3; 6], [5; 6])
            .build();
        let change = Rewrite {
            src: roles.node_port,
            dst: roles.backend,
            ttl_minus: 2,
            macs: Some(([3; 6], [5; 6])),
        };
        assert_eq!(explain_difference(&after, &translate(&before, change)), "");
        assert_eq!(
            explain_difference(&after, &translate_preserving_error(&before, change)),
            ""
        );
    }
}

#[test]
fn every_offset_bit_makes_a_later_fragment() {
    let Roles {
        client, service, ..
    } = Roles::v4();
    for bit in 3..16 {
        let fragment = Frame::raw(client, service, 17)
            .payload([0; 8])
            .fragment_offset(1 << bit);
        assert_eq!(
            dissect(&fragment.build()).map(|frame| frame.piece),
            Ok(Piece::Later)
        );
    }
    let Roles {
        client, service, ..
    } = Roles::v6();
    for bit in 3..16 {
        let header = Extension::fragment(1 << bit, false, 1);
        let fragment = Frame::raw(client, service, 17)
            .payload([0; 8])
            .extension(header);
        assert_eq!(
            dissect(&fragment.build()).map(|frame| frame.piece),
            Ok(Piece::Later)
        );
    }
}
