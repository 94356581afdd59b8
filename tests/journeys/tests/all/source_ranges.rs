//! Source ranges: who may use a load-balancer address.

use std::net::{IpAddr, SocketAddr};

use tidegate_abi::{
    Reason,
    frontend::flags::{INTERNAL, LOAD_BALANCER, LOCAL_ONLY, NODE_PORT, SOURCE_RANGES},
};
use tidegate_journeys::{
    Bench, Case, Out, Scene, journeys,
    textbook::{self, POD, SIBLING, UPLINK},
};

journeys! {
    all: rule_3_6_1_only_the_frontend_that_carries_them_is_guarded,
        rule_3_6_2_a_client_in_no_range_is_dropped_and_leaves_nothing_behind,
        rule_3_6_3_a_pod_in_no_range_is_dropped_and_one_in_a_range_is_served,
        rule_3_6_5_the_clients_own_address_counts_not_the_masqueraded_one,
        rule_3_6_6_a_flow_outlives_a_tightened_range,
        rule_3_6_7_without_endpoints_a_blocked_client_is_dropped_and_an_admitted_one_refused,
        rule_3_6_8_without_a_local_endpoint_only_an_admitted_pod_is_served,
        rule_3_6_9_two_halves_are_everybody_and_no_range_is_nobody,
        rule_3_6_10_any_of_several_ranges_admits,
        rule_3_6_10_a_range_ends_at_its_last_bit,
        rule_3_6_11_a_range_of_the_other_family_admits_nobody,
        rule_3_6_12_ranges_belong_to_a_service_port,
        rule_3_6_13_ranges_come_and_go_without_a_trace;
}

const SERVICE: u32 = 55;

fn balancer(case: &Case) -> SocketAddr {
    case.places.elsewhere
}

fn caller(case: &Case) -> SocketAddr {
    SocketAddr::new(case.places.roles.backend.ip(), 41_000)
}

/// The whole of one address.
fn only(ip: IpAddr) -> (IpAddr, u8) {
    (ip, if ip.is_ipv4() { 32 } else { 128 })
}

/// A load-balancer address that admits these ranges, with backends behind it.
fn scene(case: &Case, flags: u32, backends: &[SocketAddr], ranges: &[(IpAddr, u8)]) -> Scene {
    let mut scene = textbook::scene();
    let ids: Vec<_> = backends.iter().map(|at| scene.backend(*at)).collect();
    scene.frontend(
        balancer(case),
        case.proto,
        LOAD_BALANCER | SOURCE_RANGES | flags,
        &ids,
    );
    scene.frontend_mut(balancer(case), case.proto).service = SERVICE;
    let ranges = ranges.iter().map(|(net, bits)| (SERVICE, *net, *bits));
    scene.source_ranges.extend(ranges);
    scene
}

/// The address with one bit changed, counted from the first.
fn with_bit_flipped(ip: IpAddr, bit: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => (ip.to_bits() ^ 1 << (31 - bit)).to_be_bytes().into(),
        IpAddr::V6(ip) => (ip.to_bits() ^ 1 << (127 - bit)).to_be_bytes().into(),
    }
}

#[track_caller]
fn is_admitted(bench: &mut Bench<'_>, case: &Case, client: IpAddr) {
    let sent = case.first(SocketAddr::new(client, 40_000), balancer(case));
    let exit = bench.uplink(&sent);
    assert!(
        matches!(exit.reason, Some(Reason::NewFlow | Reason::KnownFlow)),
        "{client}: {exit:?}"
    );
}

#[track_caller]
fn is_blocked(bench: &mut Bench<'_>, case: &Case, client: IpAddr) {
    let sent = case.first(SocketAddr::new(client, 40_000), balancer(case));
    bench.uplink(&sent).is_dropped(Reason::SourceRange);
}

fn rule_3_6_1_only_the_frontend_that_carries_them_is_guarded(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let sibling = case.places.sibling;
    let mut scene = scene(case, 0, &[sibling], &[]);
    let id = tidegate_abi::BackendId(1);
    for (at, flags) in [(roles.node_port, NODE_PORT), (roles.service, INTERNAL)] {
        scene.frontend(at, case.proto, flags, &[id]);
        scene.frontend_mut(at, case.proto).service = SERVICE;
    }
    bench.start(&scene);
    is_blocked(bench, case, roles.client.ip());
    let exit = bench.uplink(&case.first(roles.client, roles.node_port));
    exit.is_translated(Reason::NewFlow, roles.client, sibling, Out::Pod(SIBLING));
    let pod = caller(case);
    let exit = bench.pod(POD, &case.first(pod, roles.service));
    exit.is_translated(Reason::NewFlow, pod, sibling, Out::Pod(SIBLING));
}

fn rule_3_6_2_a_client_in_no_range_is_dropped_and_leaves_nothing_behind(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, neighbour) = (case.places.roles, case.places.neighbour);
    let ranges = [only(neighbour.ip())];
    bench.start(&scene(case, 0, &[roles.backend], &ranges));
    is_blocked(bench, case, roles.client.ip());
    assert_eq!(bench.machine.records(), []);
    let exit = bench.uplink(&case.first(neighbour, balancer(case)));
    exit.is_translated(Reason::NewFlow, neighbour, roles.backend, Out::Pod(POD));
    let exit = bench.pod(POD, &case.reply(roles.backend, neighbour));
    exit.is_translated(
        Reason::KnownReply,
        balancer(case),
        neighbour,
        Out::Link(UPLINK),
    );
}

fn rule_3_6_3_a_pod_in_no_range_is_dropped_and_one_in_a_range_is_served(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, sibling, pod) = (case.places.roles, case.places.sibling, caller(case));
    let sent = case.first(pod, balancer(case));
    for flags in [0, LOCAL_ONLY] {
        bench.start(&scene(case, flags, &[sibling], &[only(roles.client.ip())]));
        bench.pod(POD, &sent).is_dropped(Reason::SourceRange);
        bench.start(&scene(case, flags, &[sibling], &[only(pod.ip())]));
        let exit = bench.pod(POD, &sent);
        exit.is_translated(Reason::NewFlow, pod, sibling, Out::Pod(SIBLING));
    }
}

fn rule_3_6_5_the_clients_own_address_counts_not_the_masqueraded_one(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, places) = (case.places.roles, case.places);
    let backends = [roles.remote_backend];
    bench.start(&scene(case, 0, &backends, &[only(places.masquerade)]));
    is_blocked(bench, case, roles.client.ip());
    bench.start(&scene(case, 0, &backends, &[only(roles.client.ip())]));
    let exit = bench.uplink(&case.first(roles.client, balancer(case)));
    assert_eq!(exit.src().ip(), places.masquerade);
    exit.is_translated(
        Reason::NewFlow,
        exit.src(),
        roles.remote_backend,
        Out::Link(UPLINK),
    );
}

fn rule_3_6_6_a_flow_outlives_a_tightened_range(bench: &mut Bench<'_>, case: &Case) {
    let (roles, neighbour) = (case.places.roles, case.places.neighbour);
    let mut open = scene(case, 0, &[roles.backend], &[]);
    open.frontend_mut(balancer(case), case.proto).flags = LOAD_BALANCER;
    bench.start(&open);
    let exit = bench.uplink(&case.first(roles.client, balancer(case)));
    exit.is_translated(Reason::NewFlow, roles.client, roles.backend, Out::Pod(POD));
    bench.pod(POD, &case.reply(roles.backend, roles.client));
    let tight = scene(case, 0, &[roles.backend], &[only(neighbour.ip())]);
    bench.machine.change(&tight);
    let exit = bench.uplink(&case.later(roles.client, balancer(case)));
    exit.is_translated(
        Reason::KnownFlow,
        roles.client,
        roles.backend,
        Out::Pod(POD),
    );
    let exit = bench.pod(POD, &case.later(roles.backend, roles.client));
    let back = Out::Link(UPLINK);
    exit.is_translated(Reason::KnownReply, balancer(case), roles.client, back);
    let second = SocketAddr::new(roles.client.ip(), 40_001);
    let sent = case.first(second, balancer(case));
    bench.uplink(&sent).is_dropped(Reason::SourceRange);
}

fn rule_3_6_7_without_endpoints_a_blocked_client_is_dropped_and_an_admitted_one_refused(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.start(&scene(case, 0, &[], &[only(roles.client.ip())]));
    is_blocked(bench, case, case.places.neighbour.ip());
    let sent = case.first(roles.client, balancer(case));
    bench
        .uplink(&sent)
        .is_answered(Reason::NoEndpoints, &case.refusal(&sent));
}

fn rule_3_6_8_without_a_local_endpoint_only_an_admitted_pod_is_served(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, pod) = (case.places.roles, caller(case));
    let ranges = [only(roles.client.ip()), only(pod.ip())];
    bench.start(&scene(case, LOCAL_ONLY, &[roles.remote_backend], &ranges));
    is_blocked(bench, case, case.places.neighbour.ip());
    bench
        .uplink(&case.first(roles.client, balancer(case)))
        .is_dropped(Reason::NoLocalEndpoint);
    let exit = bench.pod(POD, &case.first(pod, balancer(case)));
    exit.is_translated(
        Reason::NewFlow,
        pod,
        roles.remote_backend,
        Out::Link(UPLINK),
    );
}

fn rule_3_6_9_two_halves_are_everybody_and_no_range_is_nobody(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let halves: [IpAddr; 2] = match roles.client.ip() {
        IpAddr::V4(_) => [[0; 4].into(), [128, 0, 0, 0].into()],
        IpAddr::V6(_) => [[0; 16].into(), [0x8000, 0, 0, 0, 0, 0, 0, 0_u16].into()],
    };
    let everybody = halves.map(|net| (net, 1));
    let clients = [roles.client.ip(), with_bit_flipped(roles.client.ip(), 0)];
    bench.start(&scene(case, 0, &[roles.backend], &everybody));
    for client in clients {
        is_admitted(bench, case, client);
    }
    bench.start(&scene(case, 0, &[roles.backend], &[]));
    for client in clients {
        is_blocked(bench, case, client);
    }
}

fn rule_3_6_10_any_of_several_ranges_admits(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let client = roles.client.ip();
    let bits = only(client).1;
    // One inside the other, and one elsewhere.
    let ranges = [
        (client, bits / 4),
        (client, bits / 2),
        only(case.places.neighbour.ip()),
        only(case.places.unowned.ip()),
    ];
    bench.start(&scene(case, 0, &[roles.backend], &ranges));
    for inside in [
        client,
        with_bit_flipped(client, bits / 2),
        with_bit_flipped(client, bits / 4),
        case.places.neighbour.ip(),
        case.places.unowned.ip(),
    ] {
        is_admitted(bench, case, inside);
    }
    is_blocked(bench, case, with_bit_flipped(client, bits / 4 - 1));
    // Narrow ones only: the others of the wide one are strangers again.
    bench.start(&scene(case, 0, &[roles.backend], &ranges[1..]));
    is_admitted(bench, case, with_bit_flipped(client, bits / 2));
    is_blocked(bench, case, with_bit_flipped(client, bits / 4));
}

fn rule_3_6_10_a_range_ends_at_its_last_bit(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let client = roles.client.ip();
    let all = only(client).1;
    // Not 7: a bit of fd00::/8 flipped there makes a group, which sends nothing.
    for bits in [1, 5, 8, 9, 15, 17, 24, 31, 32, 33, 63, 64, 65, 127, 128] {
        if bits > all {
            continue;
        }
        bench.start(&scene(case, 0, &[roles.backend], &[(client, bits)]));
        is_admitted(bench, case, client);
        is_blocked(bench, case, with_bit_flipped(client, bits - 1));
        if bits < all {
            is_admitted(bench, case, with_bit_flipped(client, bits));
        }
    }
}

fn rule_3_6_11_a_range_of_the_other_family_admits_nobody(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let other: IpAddr = match roles.client.ip() {
        IpAddr::V4(_) => [0; 16].into(),
        IpAddr::V6(_) => [0; 4].into(),
    };
    bench.start(&scene(case, 0, &[roles.backend], &[(other, 0)]));
    is_blocked(bench, case, roles.client.ip());
}

fn rule_3_6_12_ranges_belong_to_a_service_port(bench: &mut Bench<'_>, case: &Case) {
    let (roles, neighbour) = (case.places.roles, case.places.neighbour);
    let mut scene = scene(case, 0, &[roles.backend], &[only(roles.client.ip())]);
    // Another Service on another port of the same address, with a list of its own.
    let second = SocketAddr::new(balancer(case).ip(), 8443);
    let id = tidegate_abi::BackendId(1);
    scene.frontend(second, case.proto, LOAD_BALANCER | SOURCE_RANGES, &[id]);
    scene.frontend_mut(second, case.proto).service = SERVICE + 1;
    let (net, bits) = only(neighbour.ip());
    scene.source_ranges.push((SERVICE + 1, net, bits));
    bench.start(&scene);
    for (client, admitted, blocked) in [
        (roles.client, balancer(case), second),
        (neighbour, second, balancer(case)),
    ] {
        let exit = bench.uplink(&case.first(client, blocked));
        exit.is_dropped(Reason::SourceRange);
        let exit = bench.uplink(&case.first(client, admitted));
        exit.is_translated(Reason::NewFlow, client, roles.backend, Out::Pod(POD));
    }
}

fn rule_3_6_13_ranges_come_and_go_without_a_trace(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let guarded = scene(case, 0, &[roles.backend], &[]);
    let mut open = guarded.clone();
    open.frontend_mut(balancer(case), case.proto).flags = LOAD_BALANCER;
    bench.start(&open);
    for port in 40_000..40_004 {
        let client = SocketAddr::new(roles.client.ip(), port);
        let sent = case.first(client, balancer(case));
        bench.machine.change(&guarded);
        bench.uplink(&sent).is_dropped(Reason::SourceRange);
        bench.machine.change(&open);
        let exit = bench.uplink(&sent);
        exit.is_translated(Reason::NewFlow, client, roles.backend, Out::Pod(POD));
    }
}
