//! Whatever is wrong with a frame, `verify` says so and says where.

use tidegate_frames::Roles;
use tidegate_frames::frame::{Checksum, Extension, Frame};
use tidegate_frames::oracle::dissect::dissect;
use tidegate_frames::oracle::{verify, verify_quote};

fn both() -> [Roles; 2] {
    [Roles::v4(), Roles::v6()]
}

/// Frames with everything in them, and where their covered bytes start.
fn covered() -> Vec<(Vec<u8>, usize)> {
    let mut frames = Vec::new();
    for roles in both() {
        let (client, service) = (roles.client, roles.service);
        let quote = Frame::udp(service, client)
            .payload(b"quoted")
            .build_packet();
        let all = [
            Frame::tcp(client, service)
                .options(&[2, 4, 5, 0xb4, 1])
                .payload(b"odd")
                .vlan(7)
                .build(),
            Frame::udp(client, service).payload(b"some bytes").build(),
            Frame::echo(client, service, 1, 2).payload(b"ping").build(),
            Frame::port_unreachable(client, service)
                .quoting(&quote, 512)
                .build(),
        ];
        for frame in all {
            let ip = dissect(&frame).expect("a right frame").ip;
            // IPv6 covers its header only from the addresses on; ICMP over IPv4 has no addresses.
            frames.push((frame, if client.is_ipv4() { ip } else { ip + 8 }));
        }
    }
    frames
}

#[test]
fn any_damaged_byte_of_a_covered_region_is_noticed() {
    for (frame, start) in covered() {
        assert_eq!(verify(&frame), Ok(()));
        for at in start..frame.len() {
            for damage in [0x01, 0x80, 0xff] {
                let mut damaged = frame.clone();
                damaged[at] ^= damage;
                assert!(
                    verify(&damaged).is_err(),
                    "{at} ^ {damage:#x} in {}",
                    frame.len()
                );
            }
        }
    }
}

#[test]
fn any_cut_is_noticed() {
    for (frame, _) in covered() {
        for length in 0..frame.len() {
            assert!(
                verify(&frame[..length]).is_err(),
                "{length} of {}",
                frame.len()
            );
        }
    }
}

#[test]
fn wrong_lengths_are_named() {
    let Roles {
        client, service, ..
    } = Roles::v4();
    let said = |frame: Vec<u8>| verify(&frame).unwrap_err();
    let tcp = || Frame::tcp(client, service);
    assert_eq!(
        said(tcp().ip_length(99).build()),
        "IPv4 total length at 16 is 99, 40 bytes are there"
    );
    assert!(said(tcp().ihl(4).build()).starts_with("IPv4 header length at 14 is 16"));
    assert!(said(tcp().ip_version(5).build()).starts_with("IP version at 14 is 5"));
    assert!(said(tcp().data_offset(3).build()).starts_with("TCP data offset at 46 says 12 bytes"));
    let udp = Frame::udp(client, service).udp_length(3).build();
    assert_eq!(said(udp), "UDP length at 38 is 3, 8 bytes are there");
    let Roles {
        client, service, ..
    } = Roles::v6();
    let chain = Frame::udp(client, service)
        .extension(Extension::exactly(0, &[9; 7]))
        .build();
    assert!(said(chain).starts_with("IPv6 extension header 0 at 54 has 80 bytes"));
    let zero = Frame::udp(client, service).checksum(Checksum::Zero).build();
    assert_eq!(
        said(zero),
        "UDP checksum at 60 is zero, which IPv6 does not allow"
    );
}

#[test]
fn rule_5_5_1_a_quoted_packet_is_verified_as_far_as_it_goes() {
    for roles in both() {
        let (client, service) = (roles.client, roles.service);
        let error = |quoted: &[u8], limit| {
            Frame::port_unreachable(service, client)
                .quoting(quoted, limit)
                .build()
        };
        let right = Frame::udp(client, service).payload(b"hi").build_packet();
        let wrong = Frame::udp(client, service)
            .checksum(Checksum::Wrong)
            .payload(b"hi");
        let wrong = wrong.build_packet();
        assert_eq!(verify_quote(&error(&right, 512)), Ok(()));
        assert!(
            verify_quote(&error(&wrong, 512))
                .unwrap_err()
                .contains("UDP checksum")
        );
        assert_eq!(
            verify(&error(&wrong, 512)),
            Ok(()),
            "offloads leave such quotes"
        );
        assert_eq!(
            verify_quote(&error(&wrong, wrong.len() - 1)),
            Ok(()),
            "not all is there"
        );
        assert!(verify_quote(&Frame::udp(client, service).build()).is_err());
    }
    let Roles {
        client, service, ..
    } = Roles::v4();
    let quoted = Frame::udp(client, service)
        .ip_checksum(Checksum::Wrong)
        .build_packet();
    let error = Frame::port_unreachable(service, client)
        .quoting(&quoted, 512)
        .build();
    assert!(
        verify(&error)
            .unwrap_err()
            .starts_with("quoted IPv4 header checksum at 52..54")
    );
}
