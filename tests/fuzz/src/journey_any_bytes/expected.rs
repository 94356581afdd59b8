//! What the oracle makes of a packet that was translated or answered.

use tidegate_abi::{Proto, Reason, flow::flags};
use tidegate_datapath::{Door, Route};
use tidegate_frames::oracle::{
    Related, Rewrite, dissect::dissect, expected_echo_reply, expected_reset, expected_unreachable,
    quoted_endpoints, translate_fragment, translate_icmp_error,
};
use tidegate_journeys::{
    machine::Exit,
    on_host::HostMachine,
    record::{Record, Tuple},
    textbook,
};

/// What a record makes of a packet with the tuple `key`; the record stands by now.
pub(super) fn translation(exit: &Exit, record: &Record) -> Vec<u8> {
    let Record { out, flags, .. } = *record;
    let macs = match textbook::network().route(out.dst.ip(), 0) {
        Route::Via {
            macs: Some(macs), ..
        } if exit.door == Some(Door::Transmit) => {
            let ends = macs.as_chunks::<6>().0;
            Some((ends[1], ends[0]))
        }
        _ => None,
    };
    let rewrite = Rewrite {
        src: out.src,
        dst: out.dst,
        ttl_minus: hops(exit),
        macs,
    };
    let masqueraded = flags & (flags::MASQUERADE | flags::REPLY) == flags::MASQUERADE;
    let mask = if masqueraded { out.src.port() } else { 0 };
    translate_fragment(&exit.sent, rewrite, mask)
}

/// The stack counts the hop itself.
fn hops(exit: &Exit) -> u8 {
    u8::from(exit.door != Some(Door::Stack))
}

/// What becomes of an ICMP error: the quoted packet as its sender knows it (rule 5.5.1). `None`: the quoted
/// packet is none that anybody translates, such as a first fragment that is too short for its header.
pub(super) fn error(machine: &HostMachine, exit: &Exit) -> Option<Vec<u8>> {
    // Some stacks quote with a length of their own making; the oracle wants the packet's.
    let (proto, src, dst) = quoted_endpoints(&exit.sent)?;
    let key = Tuple {
        proto: Proto(proto),
        src: dst,
        dst: src,
    };
    let record = machine.record(&key);
    let Record { out, flags, .. } = record.unwrap_or_else(|| panic!("no record of {key:?}"));
    let anatomy = dissect(&exit.sent).expect("a translated error can be read");
    let hides = flags & (flags::REPLY | flags::MASQUERADE) != 0;
    let related = Related {
        src: if hides { out.src.ip() } else { anatomy.src },
        dst: out.dst.ip(),
        quoted_src: out.dst,
        quoted_dst: out.src,
        ttl_minus: hops(exit),
        macs: None,
    };
    let expected = translate_icmp_error(&exit.sent, related);
    let quote = anatomy.transport + 8..;
    (expected[quote.clone()] != exit.sent[quote]).then_some(expected)
}

/// The reset, the error or the reply that the reason asks for.
pub(super) fn answer(exit: &Exit, reason: Reason) -> Vec<u8> {
    let anatomy = dissect(&exit.sent).expect("an answered packet can be read");
    let error = |v4: [u8; 2], v6: [u8; 2], mtu| {
        let [kind, code] = if anatomy.is_v6() { v6 } else { v4 };
        expected_unreachable(&exit.sent, kind, code, mtu)
    };
    match reason {
        Reason::TtlExceeded => error([11, 0], [3, 0], None),
        Reason::TooBig => error([3, 4], [2, 0], Some(stated_mtu(exit))),
        Reason::NoRoute => error([3, 1], [1, 0], None),
        Reason::PingAnswered => expected_echo_reply(&exit.sent),
        _ if anatomy.protocol == Proto::TCP.0 => expected_reset(&exit.sent),
        _ => error([3, 3], [1, 4], None),
    }
}

/// The MTU that the answer states, which must be one of a link that the packet does not fit.
fn stated_mtu(exit: &Exit) -> u32 {
    let answer = dissect(&exit.frame).expect("an answer can be read");
    let at = answer.transport + 4;
    let [a, b, c, d] = [0, 1, 2, 3].map(|byte| exit.frame[at + byte]);
    let mtu = u32::from_be_bytes([a, b, c, d]);
    let sent = dissect(&exit.sent).expect("an answered packet can be read");
    let links = textbook::network().links;
    assert!(
        links.iter().any(|link| link.mtu == mtu) && sent.end - sent.ip > mtu as usize,
        "{}: an MTU of {mtu}",
        exit.who
    );
    mtu
}
