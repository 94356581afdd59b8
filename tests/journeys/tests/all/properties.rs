//! What holds for every input. On the host: the kernel runs the same functions.

use std::net::SocketAddr;

use proptest::prelude::*;
use tidegate_abi::{Address, Flow, Ip4, Ip6, Port, Proto, Reason};
use tidegate_datapath::{
    door::{To, Way},
    parse::{self, Headers, Ip, Network},
    rewrite, tcp,
};
use tidegate_frames::{
    Rng, explain_difference,
    oracle::{
        Rewrite,
        dissect::{Piece, dissect},
        same_packet, translate_preserving_error,
    },
    random::{random_frame, valid_frame_between},
};
use tidegate_journeys::{
    host::{HostPacket, Watched},
    textbook::Places,
};

/// Parses, and holds what came out against the frame and against the oracle. `RARE`: as the program for
/// rare packets does, which takes SCTP and first fragments too.
fn parse_and_check<A: Ip, const RARE: bool>(
    packet: &HostPacket,
    l3: usize,
) -> Result<Option<Headers<A>>, TestCaseError> {
    let watched = Watched::new(packet);
    let parsed = match RARE {
        false => parse::headers::<A, _>(&watched, l3),
        true => A::header(&watched, l3).and_then(|ip| match ip.piece.offset {
            0 => parse::behind(&watched, l3, &ip),
            _ => Err(Reason::Fragment),
        }),
    };
    let headers = match parsed {
        Ok(headers) => headers,
        Err(reason) => {
            let told = matches!(
                reason,
                Reason::Truncated
                    | Reason::Malformed
                    | Reason::Fragment
                    | Reason::NotTransport
                    | Reason::Rare
                    | Reason::TooManyHeaders
            );
            prop_assert!(told, "{reason:?}");
            return Ok(None);
        }
    };
    let end = headers.l3() + headers.ip_len as usize;
    let least = match headers.key.proto {
        Proto::TCP => 20,
        Proto::SCTP => 16,
        _ => 8,
    };
    watched.was_read_within();
    prop_assert!(
        headers.l4() + least <= end && end <= packet.bytes.len(),
        "{headers:?}"
    );
    let anatomy = dissect(&packet.bytes);
    let anatomy = anatomy.map_err(|error| TestCaseError::fail(format!("{error}: {headers:?}")))?;
    prop_assert_eq!(
        (headers.l3(), headers.l4(), end),
        (anatomy.ip, anatomy.transport, anatomy.end)
    );
    prop_assert_eq!(
        (headers.key.src.to_ip(), headers.key.dst.to_ip()),
        (anatomy.src, anatomy.dst)
    );
    prop_assert_eq!(headers.key.proto.0, anatomy.protocol);
    prop_assert!(anatomy.piece == Piece::Whole || RARE && anatomy.piece == Piece::First);
    // The checksum of SCTP covers what is not in this packet.
    let is_whole = anatomy.piece == Piece::Whole || headers.key.proto != Proto::SCTP;
    Ok(is_whole.then_some(headers))
}

fn check(bytes: &[u8], seed: u64) -> Result<(), TestCaseError> {
    let packet = HostPacket::new(bytes);
    match parse::link(&packet) {
        Ok(link) if link.network == Network::V4 => {
            translate_and_check::<Ip4, false>(&packet, link.l3, seed)?;
            translate_and_check::<Ip4, true>(&packet, link.l3, seed)
        }
        Ok(link) => {
            translate_and_check::<Ip6, false>(&packet, link.l3, seed)?;
            translate_and_check::<Ip6, true>(&packet, link.l3, seed)
        }
        Err(_) => Ok(()),
    }
}

fn apply<A: Ip, const RARE: bool>(
    packet: &mut HostPacket,
    headers: &Headers<A>,
    flow: &Flow<A>,
    way: &Way,
) -> Option<()> {
    let piece = A::header(packet, headers.l3()).ok()?.piece;
    rewrite::apply(packet, headers, flow, way, RARE.then_some(&piece))
}

/// Translates to somewhere random and back again, if the frame can be parsed.
fn translate_and_check<A: Ip, const RARE: bool>(
    packet: &HostPacket,
    l3: usize,
    seed: u64,
) -> Result<(), TestCaseError> {
    let Some(headers) = parse_and_check::<A, RARE>(packet, l3)? else {
        return Ok(());
    };
    let there = random_flow::<A>(&mut Rng::new(seed));
    let key = headers.key;
    let back = Flow {
        src: key.src,
        dst: key.dst,
        src_port: key.src_port,
        dst_port: key.dst_port,
        ..Flow::default()
    };
    for hops in [0, 1] {
        if headers.ttl < hops {
            continue;
        }
        let way = Way {
            to: To::Stack,
            device: 0,
            hops,
            macs: None,
        };
        let mut out = packet.clone();
        prop_assert_eq!(apply::<A, RARE>(&mut out, &headers, &there, &way), Some(()));
        let at = |ip: A, port: Port| SocketAddr::new(ip.to_ip(), port.get());
        let (src, dst) = (at(there.src, there.src_port), at(there.dst, there.dst_port));
        let rewrite = Rewrite {
            src,
            dst,
            ttl_minus: hops,
            macs: None,
        };
        let expected = translate_preserving_error(&packet.bytes, rewrite);
        let difference = explain_difference(&expected, &out.bytes);
        prop_assert!(same_packet(&expected, &out.bytes), "{difference}");
        if hops == 0 {
            let moved = parse_and_check::<A, RARE>(&out, l3)?;
            let moved = moved.ok_or_else(|| TestCaseError::fail("the result does not parse"))?;
            prop_assert_eq!(apply::<A, RARE>(&mut out, &moved, &back, &way), Some(()));
            let difference = explain_difference(&packet.bytes, &out.bytes);
            // A UDP sum may not be zero after a translation, even if it was wrong before.
            prop_assert!(same_packet(&packet.bytes, &out.bytes), "{difference}");
        }
    }
    Ok(())
}

fn random_flow<A: Address>(rng: &mut Rng) -> Flow<A> {
    let mut address = || {
        let [a, b, c, d] = [(); 4].map(|()| rng.next_u32().to_be_bytes());
        let sixteen: [u8; 16] = [a, b, c, d].concat().try_into().expect("four times four");
        A::from_ip(a.into())
            .or_else(|| A::from_ip(sixteen.into()))
            .expect("one of the families")
    };
    let (src, dst) = (address(), address());
    let (src_port, dst_port) = (Port::new(rng.next_u16()), Port::new(rng.next_u16()));
    Flow {
        src,
        dst,
        src_port,
        dst_port,
        ..Flow::default()
    }
}

/// A TCP segment as the state machine sees it: flags, and whether the client sent it.
fn segments() -> impl Strategy<Value = Vec<(u8, bool)>> {
    prop::collection::vec((any::<u8>(), any::<bool>()), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn noise_never_panics_and_is_never_read_beyond_its_end(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        kind in prop::sample::select(vec![[8u8, 0], [0x86, 0xdd], [0x81, 0], [0x88, 0xa8]]),
        version in prop::sample::select(vec![0x45u8, 0x4f, 0x60, 0x46]),
        seed in any::<u64>(),
    ) {
        check(&bytes, seed)?;
        // Again as something that looks like IP, so that the parsers behind the link are reached.
        let mut bytes = bytes;
        if let Some(at) = bytes.get_mut(12..15) {
            at.copy_from_slice(&[kind[0], kind[1], version]);
        }
        check(&bytes, seed)?;
    }

    #[test]
    fn any_frame_translates_there_and_back_as_the_oracle_says(seed in any::<u64>()) {
        check(&random_frame(&mut Rng::new(seed)), seed)?;
    }

    #[test]
    fn any_right_frame_translates_there_and_back_as_the_oracle_says(seed in any::<u64>()) {
        let mut rng = Rng::new(seed);
        let places = if rng.one_in(2) { Places::v4() } else { Places::v6() };
        check(&valid_frame_between(&mut rng, &places.all()), seed)?;
    }

    #[test]
    fn a_tcp_flow_is_over_only_after_a_reset_or_both_fins(segments in segments()) {
        let mut state = tcp::OPENING;
        let (mut reset, mut fins) = (false, [false; 2]);
        for (flags, from_client) in segments {
            let next = tcp::next(state, flags, from_client);
            prop_assert!(usize::from(next) < tcp::NAMES.len());
            prop_assert!(next == state || tcp::moves(flags), "{state} {flags:#x}");
            reset |= flags & tcp::flag::RST != 0;
            fins[usize::from(from_client)] |= flags & tcp::flag::FIN != 0;
            prop_assert!(!tcp::is_over(next) || reset || fins == [true; 2]);
            state = next;
        }
    }

    #[test]
    fn the_next_tcp_state_is_defined_for_every_number(
        state in any::<u16>(), flags in any::<u8>(), from_client in any::<bool>(),
    ) {
        let next = tcp::next(state, flags, from_client);
        prop_assert!(next == state || usize::from(next) < tcp::NAMES.len());
        prop_assert!(tcp::idle_ticks(next) >= 60);
    }

    #[test]
    fn a_closed_flow_stays_closed(flags in any::<u8>(), from_client in any::<bool>()) {
        prop_assert_eq!(tcp::next(tcp::CLOSED, flags, from_client), tcp::CLOSED);
    }
}
