//! Ports of our own: who gets which, and what happens when there are none left.

use std::collections::HashSet;
use std::net::SocketAddr;

use tidegate_abi::{
    Ip4, Ip6, Reason,
    frontend::flags::{INTERNAL, NODE_PORT},
};
use tidegate_datapath::tcp;
use tidegate_frames::{Frame, frame::tcp::RST, oracle::expected_reset};
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    textbook::{self, MASQUERADE, POD, UPLINK},
};

journeys! {
    all: rule_3_2_3_two_clients_with_one_source_port_through_two_frontends_to_one_remote_backend,
        rule_3_2_3_one_client_through_two_frontends_to_one_local_backend,
        rule_3_2_3_one_pod_through_two_frontends_to_one_remote_backend,
        rule_3_2_3_with_two_ports_the_third_flow_is_dropped_and_the_first_two_live,
        rule_3_2_2_a_port_on_which_a_socket_answers_is_skipped,
        a_port_whose_flow_is_over_is_given_to_another,
        rule_3_2_2_a_flow_whose_reply_record_became_anothers_starts_anew,
        without_an_address_of_the_family_there_is_nothing_to_masquerade_to;
    tcp: rule_3_2_2_a_port_that_nobody_uses_comes_before_one_whose_connection_is_over,
        rule_3_2_2_a_finished_flow_whose_port_went_to_another_does_not_talk_into_it;
}

/// Both flows work, each reply comes from the dialled address.
fn two_flows(bench: &mut Bench<'_>, case: &Case, flows: [(SocketAddr, SocketAddr); 2]) {
    let pod = case.places.roles.remote_backend;
    let nodes = flows.map(|(client, dialled)| {
        let exit = bench.uplink(&case.first(client, dialled));
        exit.is_translated(Reason::NewFlow, exit.src(), pod, Out::Link(UPLINK));
        exit.src()
    });
    assert_ne!(nodes[0], nodes[1]);
    for ((client, dialled), node) in flows.into_iter().zip(nodes) {
        let exit = bench.uplink(&case.reply(pod, node));
        exit.is_translated(Reason::KnownReply, dialled, client, Out::Link(UPLINK));
        let exit = bench.uplink(&case.later(client, dialled));
        exit.is_translated(Reason::KnownFlow, node, pod, Out::Link(UPLINK));
    }
}

fn rule_3_2_3_two_clients_with_one_source_port_through_two_frontends_to_one_remote_backend(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, second) = (case.places.roles, case.places.second_node_port);
    // Few ports, so that the two often start to look at the same one.
    for ports in [(61_000, 61_001), (61_000, 61_002), MASQUERADE] {
        let mut scene = textbook::scene();
        (scene.settings.masquerade_min, scene.settings.masquerade_max) = ports;
        let pod = scene.backend(roles.remote_backend);
        scene.frontend(roles.node_port, case.proto, NODE_PORT, &[pod]);
        scene.frontend(second, case.proto, NODE_PORT, &[pod]);
        bench.start(&scene);
        two_flows(
            bench,
            case,
            [
                (roles.client, roles.node_port),
                (case.places.neighbour, second),
            ],
        );
    }
}

fn rule_3_2_3_one_client_through_two_frontends_to_one_local_backend(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, second) = (case.places.roles, case.places.second_node_port);
    let (client, pod) = (roles.client, roles.backend);
    let mut scene = textbook::scene();
    let backend = scene.backend(pod);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[backend]);
    scene.frontend(second, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);

    let exit = bench.uplink(&case.first(client, roles.node_port));
    exit.is_translated(Reason::NewFlow, client, pod, Out::Pod(POD));
    let exit = bench.uplink(&case.first(client, second));
    let other = exit.src();
    assert_eq!(other.ip(), client.ip(), "the client's address is kept");
    assert_ne!(other.port(), client.port(), "its port is taken");
    exit.is_translated(Reason::NewFlow, other, pod, Out::Pod(POD));
    for (seen, dialled) in [(client, roles.node_port), (other, second)] {
        let exit = bench.pod(POD, &case.reply(pod, seen));
        exit.is_translated(Reason::KnownReply, dialled, client, Out::Link(UPLINK));
    }
}

fn rule_3_2_3_one_pod_through_two_frontends_to_one_remote_backend(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, remote) = (case.places.roles, case.places.roles.remote_backend);
    let pod = SocketAddr::new(roles.backend.ip(), 41_000);
    let other_service = SocketAddr::new(roles.service.ip(), 443);
    let mut scene = textbook::scene();
    let backend = scene.backend(remote);
    scene.frontend(roles.service, case.proto, INTERNAL, &[backend]);
    scene.frontend(other_service, case.proto, INTERNAL, &[backend]);
    bench.start(&scene);

    for service in [roles.service, other_service] {
        let exit = bench.pod(POD, &case.first(pod, service));
        let seen = exit.src();
        assert_eq!(seen.ip(), pod.ip());
        exit.is_translated(Reason::NewFlow, seen, remote, Out::Link(UPLINK));
        let exit = bench.uplink(&case.reply(remote, seen));
        exit.is_translated(Reason::KnownReply, service, pod, Out::Pod(POD));
    }
}

fn rule_3_2_3_with_two_ports_the_third_flow_is_dropped_and_the_first_two_live(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (dialled, pod) = (roles.node_port, roles.remote_backend);
    let mut scene = textbook::scene();
    (scene.settings.masquerade_min, scene.settings.masquerade_max) = (61_000, 61_001);
    let backend = scene.backend(pod);
    scene.frontend(dialled, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);

    let clients = [40_000, 40_001].map(|port| SocketAddr::new(roles.client.ip(), port));
    let nodes = clients.map(|client| bench.uplink(&case.first(client, dialled)).src());
    assert_eq!(
        HashSet::from(nodes.map(|node| node.port())),
        HashSet::from([61_000, 61_001])
    );
    let third = SocketAddr::new(roles.client.ip(), 40_002);
    let exit = bench.uplink(&case.first(third, dialled));
    exit.is_dropped(Reason::NoMasqueradePort);
    assert_eq!(bench.find(case.tuple(third, dialled)), None);

    for (client, node) in clients.into_iter().zip(nodes) {
        let exit = bench.uplink(&case.reply(pod, node));
        exit.is_translated(Reason::KnownReply, dialled, client, Out::Link(UPLINK));
        let exit = bench.uplink(&case.later(client, dialled));
        exit.is_translated(Reason::KnownFlow, node, pod, Out::Link(UPLINK));
    }
}

fn rule_3_2_2_a_port_on_which_a_socket_answers_is_skipped(bench: &mut Bench<'_>, case: &Case) {
    let (roles, pod) = (case.places.roles, case.places.roles.remote_backend);
    let mut scene = textbook::scene();
    (scene.settings.masquerade_min, scene.settings.masquerade_max) = (61_000, 61_003);
    let backend = scene.backend(pod);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);
    for port in [61_000, 61_001, 61_003] {
        bench
            .machine
            .occupy(case.proto, SocketAddr::new(case.places.masquerade, port));
    }

    let exit = bench.uplink(&case.first(roles.client, roles.node_port));
    let node = SocketAddr::new(case.places.masquerade, 61_002);
    exit.is_translated(Reason::NewFlow, node, pod, Out::Link(UPLINK));
    let exit = bench.uplink(&case.first(case.places.neighbour, roles.node_port));
    exit.is_dropped(Reason::NoMasqueradePort);
}

fn rule_3_2_2_a_port_that_nobody_uses_comes_before_one_whose_connection_is_over(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (dialled, pod) = (roles.node_port, roles.remote_backend);
    let mut scene = textbook::scene();
    (scene.settings.masquerade_min, scene.settings.masquerade_max) = (61_000, 61_002);
    let backend = scene.backend(pod);
    scene.frontend(dialled, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);

    let mut over = HashSet::new();
    for port in 40_000..40_003 {
        let client = SocketAddr::new(roles.client.ip(), port);
        let node = bench.uplink(&case.first(client, dialled)).src();
        let reset = Frame::tcp(client, dialled).flags(RST).build();
        bench.uplink(&reset);
        assert!(over.insert(node.port()), "the third time at the latest");
    }
    // All are over: then one of theirs will do.
    let client = SocketAddr::new(roles.client.ip(), 40_003);
    let exit = bench.uplink(&case.first(client, dialled));
    exit.is_translated(Reason::NewFlow, exit.src(), pod, Out::Link(UPLINK));
    assert!(over.contains(&exit.src().port()));
    let exit = bench.uplink(&case.reply(pod, exit.src()));
    exit.is_translated(Reason::KnownReply, dialled, client, Out::Link(UPLINK));
}

fn a_port_whose_flow_is_over_is_given_to_another(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (dialled, pod) = (roles.node_port, roles.remote_backend);
    let mut scene = textbook::scene();
    (scene.settings.masquerade_min, scene.settings.masquerade_max) = (61_000, 61_000);
    let backend = scene.backend(pod);
    scene.frontend(dialled, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);

    let node = SocketAddr::new(case.places.masquerade, 61_000);
    let (first, second) = (roles.client, case.places.neighbour);
    bench.uplink(&case.first(first, dialled));
    bench
        .uplink(&case.first(second, dialled))
        .is_dropped(Reason::NoMasqueradePort);
    // The first one has been silent for longer than any half-open or UDP flow may be.
    bench.age(case.tuple(pod, node), 130);
    let exit = bench.uplink(&case.first(second, dialled));
    exit.is_translated(Reason::NewFlow, node, pod, Out::Link(UPLINK));
    let exit = bench.uplink(&case.reply(pod, node));
    exit.is_translated(Reason::KnownReply, dialled, second, Out::Link(UPLINK));
}

fn without_an_address_of_the_family_there_is_nothing_to_masquerade_to(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    (scene.settings.node4, scene.settings.node6) = (Ip4::default(), Ip6::default());
    for (_, device) in &mut scene.devices {
        (device.masquerade4, device.masquerade6) = (Ip4::default(), Ip6::default());
    }
    let backend = scene.backend(roles.remote_backend);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);

    let exit = bench.uplink(&case.first(roles.client, roles.node_port));
    exit.is_dropped(Reason::NoMasqueradeAddress);
    assert_eq!(bench.machine.records(), []);
}

/// One masquerade port, which a flow of the client has.
fn one_port(bench: &mut Bench<'_>, case: &Case) -> SocketAddr {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    (scene.settings.masquerade_min, scene.settings.masquerade_max) = (61_000, 61_000);
    let backend = scene.backend(roles.remote_backend);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);
    bench
        .uplink(&case.first(roles.client, roles.node_port))
        .src()
}

fn rule_3_2_2_a_finished_flow_whose_port_went_to_another_does_not_talk_into_it(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (dialled, pod) = (roles.node_port, roles.remote_backend);
    let (first, second) = (roles.client, case.places.neighbour);
    let node = one_port(bench, case);
    bench.uplink(&case.reply(pod, node));
    bench.uplink(&Frame::tcp(pod, node).flags(RST).build());
    let exit = bench.uplink(&case.first(second, dialled));
    exit.is_translated(Reason::NewFlow, node, pod, Out::Link(UPLINK));

    // The reset was out of window, or a segment is late: it must not reach the other's connection.
    for ticks in [0, 1] {
        bench.age(case.tuple(first, dialled), ticks);
        let late = case.later(first, dialled);
        bench
            .uplink(&late)
            .is_answered(Reason::MidStream, &expected_reset(&late));
        assert_eq!(bench.record(case.tuple(pod, node)).state, tcp::OPENING);
        if bench.find(case.tuple(first, dialled)).is_none() {
            break;
        }
    }
}

fn rule_3_2_2_a_flow_whose_reply_record_became_anothers_starts_anew(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (dialled, pod) = (roles.node_port, roles.remote_backend);
    let (first, second) = (roles.client, case.places.neighbour);
    let node = one_port(bench, case);
    // The LRU dropped the one record and kept the other.
    bench.machine.remove_record(&case.tuple(pod, node));
    let exit = bench.uplink(&case.first(second, dialled));
    exit.is_translated(Reason::NewFlow, node, pod, Out::Link(UPLINK));

    // At the next look at the latest the first one must notice.
    bench.age(case.tuple(first, dialled), 4);
    bench.uplink(&case.later(first, dialled));
    let exit = bench.uplink(&case.later(first, dialled));
    assert_ne!(
        exit.src(),
        node,
        "the other client's connection gets its packets"
    );
    let exit = bench.uplink(&case.reply(pod, node));
    exit.is_translated(Reason::KnownReply, dialled, second, Out::Link(UPLINK));
}
