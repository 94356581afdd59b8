//! ICMP errors about translated packets, in both directions.

mod shapes;

use std::net::SocketAddr;

use tidegate_abi::{
    Reason,
    frontend::flags::{INTERNAL, NODE_PORT},
};
use tidegate_frames::{
    Frame,
    frame::Icmp,
    oracle::{Related, dissect::dissect, verify, verify_quote},
};
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    machine::Exit,
    textbook::{self, NARROW, OVERLAY, POD, SIBLING, UPLINK},
};

journeys! {
    all: rule_5_5_1_and_5_5_2_a_backends_error_reaches_the_client_as_one_about_its_own_packet,
        rule_5_5_3_a_clients_error_reaches_the_backend_as_one_about_its_own_packet,
        rule_5_5_1_a_pod_hears_of_its_packets_to_a_cluster_ip,
        rule_5_5_1_a_pod_that_is_its_own_backend_hears_of_itself,
        rule_5_5_4_a_router_on_the_way_tells_both_sides_its_mtu,
        rule_5_5_5_an_error_about_no_flow_is_left_alone,
        rule_5_5_6_an_error_neither_keeps_a_flow_alive_nor_ends_it,
        rule_5_5_1_an_error_out_of_a_tunnel_finds_its_client,
        rule_5_5_1_a_process_of_this_host_refuses_in_the_dialled_name,
        an_error_about_a_client_that_dialled_a_pod_directly_is_left_alone;
    udp: rule_5_5_7_a_closed_udp_port_is_reported_through_the_node_port;
}

/// A packet as it stands in a frame without tags.
fn packet(frame: &[u8]) -> Vec<u8> {
    let anatomy = dissect(frame).expect("a whole frame");
    frame[anatomy.ip..anatomy.end].to_vec()
}

/// An address between the node and the far end.
fn router(case: &Case) -> SocketAddr {
    SocketAddr::new(case.places.unowned.ip(), 0)
}

/// What is said by `from` to the sender of a packet.
fn errors(from: SocketAddr, about: &[u8]) -> [Frame<Icmp>; 4] {
    let to = sender(about);
    let problem = if from.is_ipv4() { (12, 0) } else { (4, 0) };
    let errors = [
        Frame::port_unreachable(from, to),
        Frame::time_exceeded(from, to),
        Frame::too_big(from, to, 1400),
        Frame::icmp(from, to, problem.0, problem.1),
    ];
    errors.map(|error| error.quoting(about, 512))
}

/// Where a packet comes from, without its port.
fn sender(packet: &[u8]) -> SocketAddr {
    let v4 = packet[0] >> 4 == 4;
    let ethertype = if v4 { [8, 0] } else { [0x86, 0xdd] };
    let frame = [&[0; 12], &ethertype[..], packet].concat();
    SocketAddr::new(dissect(&frame).expect("a whole packet").src, 0)
}

/// What the client must hear about its packets to `dialled`.
fn to_client(client: SocketAddr, dialled: SocketAddr) -> Related {
    Related {
        src: dialled.ip(),
        dst: client.ip(),
        quoted_src: client,
        quoted_dst: dialled,
        ttl_minus: 1,
        macs: None,
    }
}

/// A flow from a client outside through the NodePort.
struct Flow {
    client: SocketAddr,
    dialled: SocketAddr,
    pod: SocketAddr,
    /// Whom the backend sees.
    seen: SocketAddr,
    /// What it got, and what it answers.
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Flow {
    fn open(bench: &mut Bench<'_>, case: &Case, pod: SocketAddr) -> Self {
        let roles = case.places.roles;
        let (client, dialled) = (roles.client, roles.node_port);
        bench.serve(case, dialled, NODE_PORT, &[pod]);
        let first = bench.uplink(&case.first(client, dialled));
        let seen = first.src();
        let mut flow = Self {
            client,
            dialled,
            pod,
            seen,
            request: first.frame,
            reply: Vec::new(),
        };
        flow.reply = flow
            .backend_sends(bench, case, &case.reply(pod, seen))
            .frame;
        flow
    }

    /// A frame from the backend's side enters.
    fn backend_sends(&self, bench: &mut Bench<'_>, case: &Case, frame: &[u8]) -> Exit {
        match self.pod {
            pod if pod == case.places.roles.backend => bench.pod(POD, frame),
            pod if pod == case.places.narrow_backend => bench.enters(NARROW, frame),
            _ => bench.uplink(frame),
        }
    }

    /// The way to the backend.
    fn out(&self, case: &Case) -> Out {
        match self.pod {
            pod if pod == case.places.roles.backend => Out::Pod(POD),
            pod if pod == case.places.narrow_backend => Out::Link(NARROW),
            _ => Out::Link(UPLINK),
        }
    }
}

/// One local backend, two that see the node.
fn pods(case: &Case) -> [SocketAddr; 3] {
    let roles = case.places.roles;
    [
        roles.backend,
        roles.remote_backend,
        case.places.narrow_backend,
    ]
}

#[track_caller]
fn is_right(exit: &Exit) {
    assert_eq!(verify(&exit.frame), Ok(()), "{}", exit.who);
    assert_eq!(verify_quote(&exit.frame), Ok(()), "{}", exit.who);
}

fn rule_5_5_1_and_5_5_2_a_backends_error_reaches_the_client_as_one_about_its_own_packet(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    for pod in pods(case) {
        let flow = Flow::open(bench, case, pod);
        for from in [pod, router(case)] {
            for error in errors(from, &packet(&flow.request)) {
                let exit = flow.backend_sends(bench, case, &error.build());
                let related = to_client(flow.client, flow.dialled);
                exit.is_relayed(related, Out::Link(UPLINK));
                is_right(&exit);
            }
        }
    }
}

fn rule_5_5_3_a_clients_error_reaches_the_backend_as_one_about_its_own_packet(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    for pod in pods(case) {
        let flow = Flow::open(bench, case, pod);
        for from in [flow.client, router(case)] {
            for error in errors(from, &packet(&flow.reply)) {
                let exit = bench.uplink(&error.build());
                // A backend that sees the client may see who it is that complains as well.
                let src = if flow.seen == flow.client {
                    from.ip()
                } else {
                    flow.seen.ip()
                };
                let related = Related {
                    src,
                    dst: pod.ip(),
                    quoted_src: pod,
                    quoted_dst: flow.seen,
                    ttl_minus: 1,
                    macs: None,
                };
                exit.is_relayed(related, flow.out(case));
                is_right(&exit);
            }
        }
    }
}

fn rule_5_5_1_a_pod_hears_of_its_packets_to_a_cluster_ip(bench: &mut Bench<'_>, case: &Case) {
    let (roles, sibling) = (case.places.roles, case.places.sibling);
    let pod = SocketAddr::new(roles.backend.ip(), 41_000);
    for backend in [sibling, roles.remote_backend] {
        bench.serve(case, roles.service, INTERNAL, &[backend]);
        let request = bench.pod(POD, &case.first(pod, roles.service));
        for error in errors(backend, &packet(&request.frame)) {
            let exit = if backend == sibling {
                bench.pod(SIBLING, &error.build())
            } else {
                bench.uplink(&error.build())
            };
            exit.is_relayed(to_client(pod, roles.service), Out::Pod(POD));
            is_right(&exit);
        }
    }
}

fn rule_5_5_1_a_pod_that_is_its_own_backend_hears_of_itself(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let pod = SocketAddr::new(roles.backend.ip(), 41_000);
    bench.serve(case, roles.service, INTERNAL, &[roles.backend]);
    let request = bench.pod(POD, &case.first(pod, roles.service));
    let [refused, ..] = errors(roles.backend, &packet(&request.frame));
    let exit = bench.pod(POD, &refused.build());
    exit.is_relayed(to_client(pod, roles.service), Out::Pod(POD));
    is_right(&exit);
}

fn rule_5_5_4_a_router_on_the_way_tells_both_sides_its_mtu(bench: &mut Bench<'_>, case: &Case) {
    let flow = Flow::open(bench, case, case.places.roles.remote_backend);
    let long = case.with_payload(flow.client, flow.dialled, 1400);
    let about = bench.uplink(&long).frame;
    // As much as an IPv6 router may quote, and as little as an IPv4 one may.
    for limit in [1232, 552, 68] {
        let from = router(case);
        let error = Frame::too_big(from, sender(&packet(&about)), 1300);
        let error = error.quoting(&packet(&about), limit).build();
        let exit = flow.backend_sends(bench, case, &error);
        exit.is_relayed(to_client(flow.client, flow.dialled), Out::Link(UPLINK));
        assert_eq!(verify(&exit.frame), Ok(()));
        let icmp = dissect(&exit.frame).expect("an error").transport;
        assert_eq!(exit.frame[icmp + 6..icmp + 8], 1300_u16.to_be_bytes());
    }
}

fn rule_5_5_5_an_error_about_no_flow_is_left_alone(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let flow = Flow::open(bench, case, roles.remote_backend);
    let stranger = SocketAddr::new(roles.client.ip(), 50_000);
    let before = bench.machine.records().len();
    let about = [
        packet(&case.first(flow.seen, roles.backend)),
        packet(&case.first(stranger, roles.remote_backend)),
        // The request before its translation, which no backend can have seen.
        packet(&case.first(flow.client, flow.dialled)),
    ];
    for about in about {
        for error in errors(roles.remote_backend, &about) {
            let frame = error.build();
            bench.uplink(&frame).is_passed(Reason::NotTransport);
            bench.pod(POD, &frame).is_passed(Reason::NotTransport);
        }
    }
    assert_eq!(bench.machine.records().len(), before);
}

fn rule_5_5_6_an_error_neither_keeps_a_flow_alive_nor_ends_it(bench: &mut Bench<'_>, case: &Case) {
    let flow = Flow::open(bench, case, case.places.roles.remote_backend);
    bench.age(case.tuple(flow.client, flow.dialled), 5);
    bench.age(case.tuple(flow.pod, flow.seen), 5);
    let sorted = |bench: &Bench<'_>| {
        let mut records = bench.machine.records();
        records.sort_by_key(|record| (record.key.src, record.key.dst));
        records
    };
    let before = sorted(bench);
    for error in errors(flow.pod, &packet(&flow.request)) {
        let exit = bench.uplink(&error.build());
        assert_eq!(exit.reason, Some(Reason::IcmpError));
    }
    for error in errors(flow.client, &packet(&flow.reply)) {
        let exit = bench.uplink(&error.build());
        assert_eq!(exit.reason, Some(Reason::IcmpError));
    }
    assert_eq!(sorted(bench), before);
}

fn rule_5_5_1_an_error_out_of_a_tunnel_finds_its_client(bench: &mut Bench<'_>, case: &Case) {
    let flow = Flow::open(bench, case, case.places.roles.remote_backend);
    assert_ne!(OVERLAY, UPLINK);
    for error in errors(flow.pod, &packet(&flow.request)) {
        let exit = bench.overlay(&error.build());
        exit.is_relayed(to_client(flow.client, flow.dialled), Out::Link(UPLINK));
        is_right(&exit);
    }
}

fn rule_5_5_1_a_process_of_this_host_refuses_in_the_dialled_name(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let process = SocketAddr::new(roles.node_port.ip(), 8080);
    let mut scene = textbook::scene();
    let backend = scene.backend(process);
    scene.backend_mut(backend).flags |= tidegate_abi::backend::flags::LOCAL;
    let dialled = case.places.second_node_port;
    scene.frontend(dialled, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);
    let request = bench.uplink(&case.first(roles.client, dialled));
    for error in errors(process, &packet(&request.frame)) {
        let exit = bench.host(&error.build());
        exit.is_relayed(to_client(roles.client, dialled), Out::Stack);
        is_right(&exit);
    }
}

fn an_error_about_a_client_that_dialled_a_pod_directly_is_left_alone(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    Flow::open(bench, case, roles.backend);
    let direct = SocketAddr::new(roles.client.ip(), 45_000);
    let about = packet(&case.first(direct, roles.backend));
    for error in errors(roles.backend, &about) {
        let exit = bench.pod(POD, &error.build());
        exit.is_passed(Reason::NotTransport);
    }
}

fn rule_5_5_7_a_closed_udp_port_is_reported_through_the_node_port(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    for pod in pods(case) {
        let flow = Flow::open(bench, case, pod);
        // What Linux says: all of a short datagram, quoted as it arrived, one hop later.
        let arrived = packet(&flow.request);
        let error = Frame::port_unreachable(pod, sender(&arrived)).tos(0xc0);
        let frame = error.quoting(&arrived, 548).build();
        let exit = flow.backend_sends(bench, case, &frame);
        exit.is_relayed(to_client(flow.client, flow.dialled), Out::Link(UPLINK));
        // T53: inside, the datagram is the client's own but for the hops it has made.
        let at = dissect(&exit.frame).expect("an error").transport + 8;
        let sent = packet(&case.first(flow.client, flow.dialled));
        let transport = sent.len() - 8 - "first".len();
        assert_eq!(exit.frame[at + transport..], sent[transport..]);
        is_right(&exit);
    }
}
