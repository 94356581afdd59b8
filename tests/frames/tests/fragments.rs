//! Datagrams in pieces: cut up, translated, put together again.

use tidegate_frames::frame::{Checksum, Extension, Frame, Udp};
use tidegate_frames::oracle::dissect::{Piece, dissect};
use tidegate_frames::oracle::{
    Options, Rewrite, fragment, reassemble, translate, translate_fragment, verify,
};
use tidegate_frames::{Rng, Roles, explain_difference};

fn both() -> [Roles; 2] {
    [Roles::v4(), Roles::v6()]
}

fn datagram(roles: &Roles, size: usize) -> Frame<Udp> {
    let payload: Vec<u8> = (0..size).map(|at| (at / 7) as u8).collect();
    let frame = Frame::udp(roles.client, roles.service).payload(payload);
    frame.dont_fragment(false).id(0x1234)
}

fn cut(frame: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    fragment(frame, mtu, 0x1234, Options::Copied).expect("a datagram that can be cut")
}

#[test]
fn a_datagram_of_64_kib_survives_being_cut_and_joined_in_any_order() {
    let mut rng = Rng::new(5);
    for roles in both() {
        let most = if roles.client.is_ipv4() {
            65_507
        } else {
            65_527
        };
        for size in [most, 4000, 1481, 1473, 9] {
            let whole = datagram(&roles, size).build();
            assert_eq!(verify(&whole), Ok(()));
            for mtu in [1500, 1280, 576, 68] {
                let mut pieces = cut(&whole, mtu);
                assert!(pieces.iter().all(|piece| piece.len() <= 14 + mtu));
                assert!(pieces.iter().all(|piece| verify(piece).is_ok()));
                for last in (1..pieces.len()).rev() {
                    pieces.swap(last, rng.below(last + 1));
                }
                let joined = reassemble(&pieces).expect("all pieces are there");
                assert_eq!(joined.len(), 1);
                assert_eq!(
                    explain_difference(&whole, &joined[0]),
                    "",
                    "{size} by {mtu}"
                );
            }
        }
    }
}

#[test]
fn the_two_ways_to_cut_agree() {
    for roles in both() {
        let frame = datagram(&roles, 3000).id(0x1234);
        let header = dissect(&frame.build()).unwrap().transport - 14;
        let extra = if roles.client.is_ipv4() { 0 } else { 8 };
        let pieces = cut(&frame.build(), header + extra + 1400);
        assert_eq!(pieces, frame.fragments(1400));
        assert_eq!(pieces.len(), 3);
    }
}

#[test]
fn ipv4_options_are_copied_when_they_say_so() {
    let roles = Roles::v4();
    // Record route stays in the first fragment, router alert goes into all of them.
    let frame = datagram(&roles, 3000).ip_options(&[7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0]);
    let frame = frame.build();
    let header = |pieces: &[Vec<u8>]| -> Vec<usize> {
        let anatomies = pieces.iter().map(|piece| dissect(piece).unwrap());
        anatomies.map(|at| at.transport - at.ip).collect()
    };
    assert_eq!(header(&cut(&frame, 1500)), [32, 24, 24]);
    let all = fragment(&frame, 1500, 1, Options::All).unwrap();
    assert_eq!(header(&all), [32, 32, 32]);
    for pieces in [cut(&frame, 1500), all] {
        let joined = reassemble(&pieces).unwrap();
        assert_eq!(joined[0].len(), frame.len());
        assert_eq!(joined[0][34..], frame[34..]);
    }
}

#[test]
fn ipv6_headers_for_routers_are_in_every_fragment_and_others_are_cut_up() {
    let roles = Roles::v6();
    let frame = datagram(&roles, 3000)
        .extension(Extension::hop_by_hop(1))
        .extension(Extension::destination_options(2));
    let frame = frame.build();
    let pieces = cut(&frame, 1280);
    for (index, piece) in pieces.iter().enumerate() {
        assert_eq!(piece[54], 44, "hop-by-hop, then the fragment header");
        let transport = dissect(piece).unwrap().transport;
        assert_eq!(transport, if index == 0 { 86 } else { 70 });
    }
    let joined = reassemble(&pieces).unwrap();
    assert_eq!(explain_difference(&frame, &joined[0]), "");
}

#[test]
fn rule_5_6_1_translated_fragments_make_the_translated_datagram() {
    for roles in both() {
        for checksum in [Checksum::Right, Checksum::Zero] {
            if checksum == Checksum::Zero && !roles.client.is_ipv4() {
                continue;
            }
            let whole = datagram(&roles, 5000).checksum(checksum).build();
            let change = Rewrite {
                src: roles.node_port,
                dst: roles.backend,
                ttl_minus: 1,
                macs: None,
            };
            let mask = roles.node_port.port();
            let pieces = cut(&whole, 1500).into_iter();
            let there: Vec<_> = pieces
                .map(|piece| translate_fragment(&piece, change, mask))
                .collect();
            let joined = reassemble(&there).expect("pieces of one datagram");
            let mut expected = translate(&whole, change);
            if roles.client.is_ipv4() {
                let id = (0x1234 ^ mask).to_be_bytes();
                expected[18..20].copy_from_slice(&id);
                expected = translate(
                    &expected,
                    Rewrite {
                        ttl_minus: 0,
                        ..change
                    },
                );
            }
            assert_eq!(explain_difference(&expected, &joined[0]), "");
        }
    }
}

#[test]
fn rule_5_6_2_equal_identifications_of_two_clients_stay_apart_by_the_masquerade_port() {
    for roles in both() {
        let datagrams = [61_000, 61_001].map(|port| {
            let mut src = roles.node_port;
            src.set_port(port);
            let change = Rewrite {
                src,
                dst: roles.backend,
                ttl_minus: 1,
                macs: None,
            };
            let size = usize::from(port) - 60_000 + 3000;
            let pieces = cut(&datagram(&roles, size).build(), 1500).into_iter();
            move |masked: bool| -> Vec<Vec<u8>> {
                let mask = if masked { port } else { 0 };
                pieces
                    .clone()
                    .map(|piece| translate_fragment(&piece, change, mask))
                    .collect()
            }
        });
        let apart = [datagrams[0](true), datagrams[1](true)].concat();
        assert_eq!(reassemble(&apart).map(|joined| joined.len()), Ok(2));
        let mixed = [datagrams[0](false), datagrams[1](false)].concat();
        assert!(reassemble(&mixed).unwrap_err().contains("overlaps"));
    }
}

#[test]
fn what_a_receiver_would_stumble_over_is_named() {
    for roles in both() {
        let pieces = cut(&datagram(&roles, 5000).build(), 1500);
        let said = |pieces: &[Vec<u8>]| reassemble(pieces).unwrap_err();
        assert!(said(&pieces[1..]).contains("bytes 0.."));
        assert!(said(&pieces[..3]).contains("the end, behind"));
        assert!(said(&[&pieces[..2], &pieces[1..]].concat()).contains("overlaps"));
        let mut damaged = pieces.clone();
        let last = damaged[2].len() - 1;
        damaged[2][last] ^= 1;
        assert!(said(&damaged).contains("UDP checksum"));
        let whole = datagram(&roles, 20).build();
        assert_eq!(reassemble(std::slice::from_ref(&whole)), Ok(vec![whole]));
    }
}

#[test]
fn what_cannot_be_cut_is_an_error_and_what_fits_is_not_cut() {
    for roles in both() {
        let whole = datagram(&roles, 100).pad_to(200).build();
        let one = cut(&whole, 1500);
        assert_eq!(
            one,
            [whole[..whole.len().min(dissect(&whole).unwrap().end)].to_vec()]
        );
        assert!(fragment(&whole, 50, 1, Options::All).is_err() || roles.client.is_ipv4());
        assert!(fragment(&whole, 20, 1, Options::All).is_err());
        let piece = cut(&datagram(&roles, 3000).build(), 1500).remove(0);
        assert_eq!(dissect(&piece).unwrap().piece, Piece::First);
        assert!(fragment(&piece, 576, 1, Options::All).is_err());
    }
}

#[test]
fn a_whole_packet_keeps_its_identification() {
    let roles = Roles::v4();
    let whole = datagram(&roles, 100).build();
    let change = Rewrite {
        src: roles.node_port,
        dst: roles.backend,
        ttl_minus: 1,
        macs: None,
    };
    assert_eq!(
        translate_fragment(&whole, change, 61_000),
        translate(&whole, change)
    );
}
