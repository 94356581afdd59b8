//! Datagrams in pieces: in order, out of order, mixed with others, and those of others.

mod order;
mod bounds;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use tidegate_abi::{
    Reason,
    frontend::flags::{INTERNAL, NODE_PORT},
};
use tidegate_frames::{
    Checksum, Frame, explain_difference,
    frame::{Extension, Udp, tcp::SYN},
    oracle::{
        Options, Rewrite,
        dissect::{Piece, dissect},
        fragment, reassemble, translate,
    },
};
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    machine::Exit,
    textbook::{self, NARROW, POD, SIBLING, UPLINK},
};

journeys! {
    udp: rule_5_6_1_a_large_datagram_reaches_its_backend_whole_and_so_does_the_answer,
        rule_5_6_1_a_pod_reaches_a_cluster_ip_with_large_datagrams,
        rule_5_6_1_the_first_fragment_may_belong_to_a_known_flow,
        rule_5_6_1_a_process_of_this_host_is_asked_and_answers_in_pieces,
        rule_5_6_6_and_5_6_8_pieces_with_options_and_extensions_arrive,
        rule_5_6_9_a_datagram_without_a_checksum_stays_without,
        an_ipv6_packet_that_is_a_fragment_of_itself_is_whole;
    tcp: rule_5_6_1_a_segment_in_pieces_is_translated;
}

/// Identifications that no other test uses: the kernel's map of fragments is never cleared.
fn fresh_id() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    0x7a00_0001 + LAST.fetch_add(1, Ordering::Relaxed)
}

fn datagram(src: SocketAddr, dst: SocketAddr, size: usize) -> Frame<Udp> {
    let payload: Vec<u8> = (0..size).map(|at| (at / 5) as u8).collect();
    let frame = Frame::udp(src, dst).payload(payload);
    frame.dont_fragment(false)
}

fn cut(frame: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    fragment(frame, mtu, fresh_id(), Options::Copied).expect("a datagram that can be cut")
}

fn piece(frame: &[u8]) -> Piece {
    dissect(frame).expect("a whole frame").piece
}

fn source(frame: &[u8]) -> IpAddr {
    dissect(frame).expect("a whole frame").src
}

/// A way in.
type Enter = fn(&mut Bench<'_>, &[u8]) -> Exit;

const BY_UPLINK: (Enter, u32) = (|bench, frame| bench.uplink(frame), UPLINK);
const BY_POD: (Enter, u32) = (|bench, frame| bench.pod(POD, frame), POD);

/// All frames enter, and those that were held enter again behind the first of their datagram. The result
/// is where each went in the end.
#[track_caller]
fn through(bench: &mut Bench<'_>, (enter, device): (Enter, u32), frames: &[Vec<u8>]) -> Vec<Exit> {
    let (mut ends, mut held) = (Vec::new(), HashMap::<IpAddr, usize>::new());
    bench.machine.listen();
    for frame in frames {
        let exit = enter(bench, frame);
        if exit.reason == Some(Reason::FragmentHeld) {
            exit.is_dropped(Reason::FragmentHeld);
            assert_eq!(piece(frame), Piece::Later);
            *held.entry(source(frame)).or_default() += 1;
            continue;
        }
        ends.push(exit);
        let waiting = held.get_mut(&source(frame)).map_or(0, std::mem::take);
        if piece(frame) == Piece::First && waiting > 0 {
            let again = bench.machine.released(device, waiting);
            assert_eq!(again.len(), waiting, "frames that were sent in again");
            for frame in again {
                assert!(frames.contains(&frame), "a frame that was never held");
                ends.push(enter(bench, &frame));
            }
        }
    }
    let left: usize = held.values().sum();
    assert_eq!(left, 0, "frames that are held still");
    assert_eq!(ends.len(), frames.len());
    ends
}

/// Each piece went this way, and together they are the translated datagram.
#[track_caller]
fn are_translated(
    ends: &[Exit],
    whole: &[u8],
    reasons: [Reason; 2],
    (src, dst): (SocketAddr, SocketAddr),
    out: Out,
    mask: u16,
) {
    let [first, later] = reasons;
    for exit in ends {
        let reason = if piece(&exit.sent) == Piece::First {
            first
        } else {
            later
        };
        exit.is_translated_piece(reason, src, dst, out, mask);
    }
    let frames: Vec<_> = ends.iter().map(|exit| exit.frame.clone()).collect();
    let joined = reassemble(&frames).expect("the backend can join them");
    assert_eq!(joined.len(), 1);
    let rewrite = Rewrite {
        src,
        dst,
        ttl_minus: 1,
        macs: None,
    };
    let expected = translate(whole, rewrite);
    // The identification of what was one packet says nothing; the data does.
    let (there, wanted) = (body(&joined[0]), body(&expected));
    assert_eq!(explain_difference(wanted, there), "");
}

/// Transport header and data.
fn body(frame: &[u8]) -> &[u8] {
    let anatomy = dissect(frame).expect("a whole frame");
    &frame[anatomy.transport..anatomy.end]
}

const NEW: [Reason; 2] = [Reason::NewFlow, Reason::KnownFlow];
const KNOWN: [Reason; 2] = [Reason::KnownFlow; 2];
const REPLY: [Reason; 2] = [Reason::KnownReply; 2];

/// Whom the backend of the client's flow sees.
#[track_caller]
fn seen(bench: &Bench<'_>, case: &Case, client: SocketAddr, dialled: SocketAddr) -> SocketAddr {
    bench.record(case.tuple(client, dialled)).out.src
}

/// What the identification of the forward direction is changed by.
fn mask(client: SocketAddr, seen: SocketAddr) -> u16 {
    if seen == client { 0 } else { seen.port() }
}

fn rule_5_6_1_a_large_datagram_reaches_its_backend_whole_and_so_does_the_answer(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    for (pod, out) in [
        (roles.backend, Out::Pod(POD)),
        (roles.remote_backend, Out::Link(UPLINK)),
    ] {
        // Pieces of 1,024 bytes begin at every place, the one with a single bit set too.
        let headers = if client.is_ipv4() { 20 } else { 48 };
        for (size, mtu) in [(1_600, 1500), (65_507, 1500), (60_000, 1_024 + headers)] {
            bench.serve(case, dialled, NODE_PORT, &[pod]);
            let whole = datagram(client, dialled, size).build();
            let ends = through(bench, BY_UPLINK, &cut(&whole, mtu));
            let seen = seen(bench, case, client, dialled);
            are_translated(&ends, &whole, NEW, (seen, pod), out, mask(client, seen));

            let whole = datagram(pod, seen, size).build();
            let way = if out == Out::Pod(POD) {
                BY_POD
            } else {
                BY_UPLINK
            };
            let ends = through(bench, way, &cut(&whole, mtu));
            let back = Out::Link(UPLINK);
            are_translated(&ends, &whole, REPLY, (dialled, client), back, 0);
        }
    }
}

fn rule_5_6_1_a_pod_reaches_a_cluster_ip_with_large_datagrams(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let pod = SocketAddr::new(roles.backend.ip(), 41_000);
    for (backend, out) in [
        (case.places.sibling, Out::Pod(SIBLING)),
        (roles.remote_backend, Out::Link(UPLINK)),
        (roles.backend, Out::Pod(POD)),
    ] {
        bench.serve(case, roles.service, INTERNAL, &[backend]);
        let whole = datagram(pod, roles.service, 4_000).build();
        let mut frames = cut(&whole, 1500);
        for frame in &mut frames {
            // The bench gives a pod's frames the pod's cards; frames that come again have them already.
            frame[..12].copy_from_slice(&[7; 12]);
        }
        frames.reverse();
        let ends = through(bench, BY_POD, &frames);
        let seen = seen(bench, case, pod, roles.service);
        are_translated(&ends, &whole, NEW, (seen, backend), out, mask(pod, seen));
    }
}

fn rule_5_6_1_the_first_fragment_may_belong_to_a_known_flow(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    bench.serve(case, dialled, NODE_PORT, &[roles.remote_backend]);
    let seen = bench.uplink(&case.first(client, dialled)).src();
    for _ in 0..3 {
        let whole = datagram(client, dialled, 3_000).build();
        let ends = through(bench, BY_UPLINK, &cut(&whole, 1500));
        let (ends_at, out) = ((seen, roles.remote_backend), Out::Link(UPLINK));
        are_translated(&ends, &whole, KNOWN, ends_at, out, seen.port());
    }
}

fn rule_5_6_1_a_process_of_this_host_is_asked_and_answers_in_pieces(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (client, dialled) = (case.places.roles.client, case.places.second_node_port);
    let process = SocketAddr::new(case.places.roles.node_port.ip(), 8080);
    let mut scene = textbook::scene();
    let backend = scene.backend(process);
    scene.backend_mut(backend).flags |= tidegate_abi::backend::flags::LOCAL;
    scene.frontend(dialled, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);
    let mut frames = cut(&datagram(client, dialled, 4_000).build(), 1500);
    frames.reverse();
    for exit in through(bench, BY_UPLINK, &frames) {
        let reason = NEW[usize::from(piece(&exit.sent) == Piece::Later)];
        exit.is_translated_piece(reason, client, process, Out::Stack, 0);
    }
    // The stack sends them in order.
    for frame in cut(&datagram(process, client, 4_000).build(), 1500) {
        let exit = bench.host(&frame);
        exit.is_translated_piece(Reason::KnownReply, dialled, client, Out::Stack, 0);
    }
    // Others' pieces are left alone, whatever their order.
    let other = SocketAddr::new(client.ip(), 50_000);
    for frame in cut(&datagram(process, other, 4_000).build(), 1500)
        .iter()
        .rev()
    {
        bench.host(frame).is_left_alone();
    }
}

fn rule_5_6_6_and_5_6_8_pieces_with_options_and_extensions_arrive(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, dialled, pod) = (roles.client, roles.node_port, roles.remote_backend);
    let plain = || datagram(client, dialled, 4_000);
    let dressed = match client {
        SocketAddr::V4(_) => vec![
            plain().ip_options(&[148, 4, 0, 0]),
            plain().ip_options(&[7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0]),
            plain().ip_options(&[1; 40]),
        ],
        SocketAddr::V6(_) => vec![
            plain().extension(Extension::hop_by_hop(1)),
            // Behind the fragment header, so that only the first piece has it.
            plain().extension(Extension::destination_options(2)),
            plain()
                .extension(Extension::hop_by_hop(2))
                .extension(Extension::destination_options(1)),
        ],
    };
    for frame in dressed {
        for options in [Options::Copied, Options::All] {
            for backwards in [false, true] {
                bench.serve(case, dialled, NODE_PORT, &[pod]);
                let whole = frame.build();
                let mut frames =
                    fragment(&whole, 1500, fresh_id(), options).expect("it can be cut");
                if backwards {
                    frames.reverse();
                }
                let ends = through(bench, BY_UPLINK, &frames);
                let seen = seen(bench, case, client, dialled);
                let out = Out::Link(UPLINK);
                are_translated(&ends, &whole, NEW, (seen, pod), out, seen.port());
            }
        }
    }
}

fn rule_5_6_9_a_datagram_without_a_checksum_stays_without(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    if client.is_ipv6() {
        return;
    }
    bench.serve(case, dialled, NODE_PORT, &[roles.backend]);
    let whole = datagram(client, dialled, 3_000).checksum(Checksum::Zero);
    let whole = whole.build();
    let ends = through(bench, BY_UPLINK, &cut(&whole, 1500));
    let out = Out::Pod(POD);
    are_translated(&ends, &whole, NEW, (client, roles.backend), out, 0);
}

fn an_ipv6_packet_that_is_a_fragment_of_itself_is_whole(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled, pod) = (roles.client, roles.node_port, roles.backend);
    if client.is_ipv4() {
        return;
    }
    bench.serve(case, dialled, NODE_PORT, &[pod]);
    let header = Extension::fragment(0, false, fresh_id());
    let sent = Frame::udp(client, dialled).extension(header).payload("x");
    let exit = bench.uplink(&sent.build());
    exit.is_translated(Reason::NewFlow, client, pod, Out::Pod(POD));
}

fn rule_5_6_1_a_segment_in_pieces_is_translated(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled, pod) = (roles.client, roles.node_port, case.places.narrow_backend);
    bench.serve(case, dialled, NODE_PORT, &[pod]);
    let segment = Frame::tcp(client, dialled).flags(SYN).payload([5; 3_000]);
    let whole = segment.dont_fragment(false).build();
    let mut frames = cut(&whole, 1_280);
    frames.reverse();
    let ends = through(bench, BY_UPLINK, &frames);
    let seen = seen(bench, case, client, dialled);
    let out = Out::Link(NARROW);
    are_translated(&ends, &whole, NEW, (seen, pod), out, seen.port());
}
