//! What a failed test prints and leaves behind.

use tidegate_frames::frame::{Checksum, Extension, Frame};
use tidegate_frames::{Rng, Roles, explain_difference, hexdump, pcap, random_frame};

#[test]
fn a_difference_is_named_by_its_field() {
    let Roles {
        client, service, ..
    } = Roles::v4();
    let expected = Frame::tcp(client, service).build();
    let wrong = Frame::tcp(client, service)
        .checksum(Checksum::Exactly(0xbeef))
        .build();
    let text = explain_difference(&expected, &wrong);
    let right = format!("{:02x}{:02x}", expected[50], expected[51]);
    let first = format!("TCP checksum at 50..52: expected {right}, got beef");
    assert_eq!(text.lines().next(), Some(first.as_str()));
    assert_eq!(explain_difference(&expected, &expected), "");
}

#[test]
fn tags_extension_headers_options_and_quotes_have_names() {
    let Roles {
        client, service, ..
    } = Roles::v6();
    let quoted = Frame::tcp(client, service).options(&[1; 4]).build_packet();
    let error = Frame::port_unreachable(service, client).quoting(&quoted, 512);
    let expected = error.vlan(7).extension(Extension::hop_by_hop(1)).build();
    let got: Vec<u8> = expected.iter().map(|byte| !byte).collect();
    let text = explain_difference(&expected, &got);
    for name in [
        "Ethernet destination at 0..6",
        "VLAN tag at 12..16",
        "EtherType at 16..18",
        "IPv6 hop limit at 25..26",
        "IPv6 extension header 0 at 58..66",
        "ICMPv6 checksum at 68..70",
        "quoted IPv6 source address at 82..98",
        "quoted TCP checksum at 130..132",
        "quoted TCP options at 134..138",
    ] {
        assert!(text.contains(name), "no {name} in:\n{text}");
    }
}

#[test]
fn missing_and_surplus_bytes_are_named() {
    let Roles {
        client, service, ..
    } = Roles::v4();
    let whole = Frame::udp(client, service).payload(b"hello").build();
    let text = explain_difference(&whole, &whole[..44]);
    assert!(text.starts_with("length: expected 47 bytes, got 44\nUDP payload at 42..47"));
    let text = explain_difference(&whole[..44], &whole);
    assert!(text.contains("unexpected bytes at 44..47: 6c6c6f"));
}

#[test]
fn every_random_difference_is_explained() {
    let mut rng = Rng::new(11);
    for _ in 0..2000 {
        let frame = random_frame(&mut rng);
        let at = rng.below(frame.len());
        let mut other = frame.clone();
        other[at] ^= 1;
        let text = explain_difference(&frame, &other);
        assert!(
            text.lines()
                .next()
                .is_some_and(|line| line.contains(": expected ")),
            "{text}"
        );
    }
}

#[test]
fn a_dump_shows_position_bytes_and_characters() {
    let text = hexdump(b"tidegate frames!\x00");
    let first = "     0  74 69 64 65 67 61 74 65 20 66 72 61 6d 65 73 21  tidegate.frames!\n";
    assert!(text.starts_with(first), "{text}");
    assert!(
        text.lines()
            .nth(1)
            .is_some_and(|row| row.trim_start().starts_with("16  00"))
    );
}

#[test]
fn a_capture_file_has_one_record_for_each_frame() {
    let file = pcap::bytes(&[vec![1, 2, 3], vec![4]]);
    assert_eq!(file[..4], [0xa1, 0xb2, 0xc3, 0xd4]);
    assert_eq!(file[20..24], [0, 0, 0, 1], "Ethernet");
    assert_eq!(
        file[24..43],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 3, 1, 2, 3]
    );
    assert_eq!(file.len(), 24 + 16 + 3 + 16 + 1);
}
