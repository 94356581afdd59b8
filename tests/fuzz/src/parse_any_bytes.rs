//! Any bytes, as one frame, through the parser.
//!
//! It must never panic, never point outside of the frame, never read beyond its end, and say of every
//! frame what [`crate::slow`], written a second time from the documents, says of it.

use std::net::SocketAddr;

use tidegate_abi::{Address, Ip4, Ip6, Reason, reason::Kind};
use tidegate_datapath::{
    aside,
    parse::{self, Headers, Ip, Network, quote},
};
use tidegate_frames::oracle::{dissect::dissect, quoted_endpoints};
use tidegate_journeys::host::{HostPacket, Watched};

use crate::slow::{self, Fate, Seen};

/// The first byte's lowest bit says whether it is a super-packet; the rest is the frame.
pub fn run(data: &[u8]) {
    let Some((first, frame)) = data.split_first() else {
        return;
    };
    let mut packet = HostPacket::new(frame);
    packet.is_segmented = first & 1 == 1;
    let (fast, slow) = (parse::link(&packet), slow::link(frame));
    match (fast, slow) {
        (Ok(link), Ok((v6, l3))) => {
            assert_eq!((link.network == Network::V6, link.l3), (v6, l3));
            match link.network {
                Network::V4 => check::<Ip4>(&packet, l3),
                Network::V6 => check::<Ip6>(&packet, l3),
            }
        }
        (Err(reason), Err(fate)) => agree(reason, fate),
        (fast, slow) => panic!("the link header: {fast:?}, but should be {slow:?}"),
    }
}

/// The two say the same of a packet that is not translated as a whole TCP or UDP packet.
fn agree(reason: Reason, fate: Fate) {
    let said = match reason {
        reason if aside::takes(reason) => Fate::Aside,
        reason if reason.kind() == Kind::Pass => Fate::Passed,
        reason if reason.kind() == Kind::Drop => Fate::Dropped,
        _ => panic!("a parser does not say {reason:?}"),
    };
    assert_eq!(said, fate, "{reason:?}");
}

fn check<A: Ip>(packet: &HostPacket, l3: usize) {
    let watched = Watched::new(packet);
    let expected = slow::packet(&packet.bytes, l3, packet.is_segmented);
    match (parse::headers::<A, _>(&watched, l3), &expected) {
        (Ok(headers), Ok(seen)) => {
            same(&headers, seen);
            assert!(
                !seen.is_fragment && matches!(seen.proto, 6 | 17),
                "{seen:?}"
            );
        }
        (Err(reason), Ok(seen)) if seen.is_rare() => agree(reason, seen.fate()),
        (Err(reason), Err(fate)) => agree(reason, *fate),
        (fast, slow) => panic!("whole packets: {fast:?}, but should be {slow:?}"),
    }
    rare::<A>(&watched, l3, &expected);
    quoted::<A>(&watched, l3);
    let _destination: Option<A> = A::destination(&watched, l3);
    let _len: Option<u32> = A::stated_len(&watched, l3);
    watched.was_read_within();
}

/// As the program for rare packets asks: SCTP and first fragments too.
fn rare<A: Ip>(packet: &Watched<'_>, l3: usize, expected: &Result<Seen, Fate>) {
    let Ok(ip) = A::header(packet, l3) else {
        return;
    };
    if ip.piece.offset != 0 {
        assert!(ip.piece.is_fragment);
        return;
    }
    match (parse::behind(packet, l3, &ip), expected) {
        (Ok(headers), Ok(seen)) => {
            same(&headers, seen);
            assert_eq!(ip.piece.is_fragment, seen.is_fragment);
            against_the_oracle(packet, &headers);
        }
        (Err(Reason::NotTransport | Reason::Truncated), Ok(seen))
            if !matches!(seen.proto, 6 | 17 | 132) => {}
        (Err(reason), Err(_)) => assert_ne!(reason.kind(), Kind::Forward),
        // Fragments and other protocols are the other program's, so what is wrong with them is too.
        (Err(reason), Ok(seen)) if seen.is_rare() => {
            assert!(seen.is_damaged, "{reason:?}: {seen:?}");
        }
        (fast, slow) => panic!("rare packets: {fast:?}, but should be {slow:?}"),
    }
}

fn same<A: Address>(headers: &Headers<A>, seen: &Seen) {
    let at = |ip: A, port: tidegate_abi::Port| SocketAddr::new(ip.to_ip(), port.get());
    let key = &headers.key;
    let fast = Seen {
        src: at(key.src, key.src_port),
        dst: at(key.dst, key.dst_port),
        proto: key.proto.0,
        l3: headers.l3(),
        l4: headers.l4(),
        end: headers.l3() + headers.ip_len as usize,
        ttl: headers.ttl,
        tcp_flags: headers.tcp_flags,
        may_fragment: headers.may_fragment == 1,
        is_fragment: seen.is_fragment,
        is_damaged: false,
    };
    assert_eq!(fast, *seen);
}

/// The dissector of tests/frames is a third opinion on what was accepted.
fn against_the_oracle<A: Address>(packet: &Watched<'_>, headers: &Headers<A>) {
    if packet.is_super() {
        // It may state no length (BIG TCP), which the dissector does not know.
        return;
    }
    let anatomy = dissect(packet.bytes()).unwrap_or_else(|error| panic!("{error}: {headers:?}"));
    assert_eq!(
        (headers.l3(), headers.l4(), headers.key.proto.0),
        (anatomy.ip, anatomy.transport, anatomy.protocol)
    );
    assert_eq!(
        (headers.key.src.to_ip(), headers.key.dst.to_ip()),
        (anatomy.src, anatomy.dst)
    );
}

/// What an ICMP error quotes: where both find ports, they find the same ones.
fn quoted<A: Ip>(packet: &Watched<'_>, l3: usize) {
    let Ok(ip) = A::header(packet, l3) else {
        return;
    };
    // Any offset may be asked for, with what there happens to be.
    let _noise = quote::at::<A, _>(packet, l3);
    let Some(quote) = quote::at::<A, _>(packet, ip.l4 + 8) else {
        return;
    };
    let ports = packet
        .bytes()
        .get(quote.l4..)
        .and_then(|at| at.first_chunk());
    let (Some([a, b, c, d]), Some(expected)) = (ports, quoted_endpoints(packet.bytes())) else {
        return;
    };
    if packet.is_super() || ip.piece.is_fragment {
        return;
    }
    let (src, dst) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
    let found = (
        quote.proto.0,
        SocketAddr::new(quote.src.to_ip(), src),
        SocketAddr::new(quote.dst.to_ip(), dst),
    );
    assert_eq!(found, expected);
}
