//! A client outside the cluster dials a NodePort.

use tidegate_abi::{
    Reason,
    frontend::flags::{INTERNAL, NODE_PORT},
    settings::flags::EXTERNAL_CLUSTER_IP,
};
use tidegate_frames::oracle::expected_unreachable;
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    textbook::{self, MASQUERADE, NARROW, POD, UPLINK},
};

journeys! {
    all: rule_3_2_6_a_local_pod_sees_the_client_and_answers_from_the_dialled_address,
        rule_3_2_6_a_remote_pod_sees_the_node_and_its_answer_is_undone,
        rule_3_2_7_the_reply_leaves_with_the_very_node_address_that_was_dialled,
        rule_3_2_1_the_source_is_an_address_of_the_device_that_leads_to_the_backend,
        a_next_hop_that_was_never_seen_is_left_to_the_kernel,
        rule_5_5_11_a_client_is_told_that_no_route_leads_to_its_backend,
        decision_4_a_cluster_ip_is_not_served_to_the_uplink,
        decision_4_a_cluster_ip_is_served_to_the_uplink_when_asked_for;
}

fn rule_3_2_6_a_local_pod_sees_the_client_and_answers_from_the_dialled_address(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, node_port, pod) = (roles.client, roles.node_port, roles.backend);
    bench.serve(case, node_port, NODE_PORT, &[pod]);

    let exit = bench.uplink(&case.first(client, node_port));
    exit.is_translated(Reason::NewFlow, client, pod, Out::Pod(POD));
    let exit = bench.pod(POD, &case.reply(pod, client));
    exit.is_translated(Reason::KnownReply, node_port, client, Out::Link(UPLINK));
    let exit = bench.uplink(&case.later(client, node_port));
    exit.is_translated(Reason::KnownFlow, client, pod, Out::Pod(POD));
    let exit = bench.pod(POD, &case.later(pod, client));
    exit.is_translated(Reason::KnownReply, node_port, client, Out::Link(UPLINK));
}

fn rule_3_2_6_a_remote_pod_sees_the_node_and_its_answer_is_undone(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, node_port, pod) = (roles.client, roles.node_port, roles.remote_backend);
    bench.serve(case, node_port, NODE_PORT, &[pod]);

    let exit = bench.uplink(&case.first(client, node_port));
    let node = exit.src();
    assert_eq!(
        node.ip(),
        case.places.masquerade,
        "the address of the way out, rule 3.2.1"
    );
    assert!(
        (MASQUERADE.0..=MASQUERADE.1).contains(&node.port()),
        "{node}"
    );
    exit.is_translated(Reason::NewFlow, node, pod, Out::Link(UPLINK));
    let exit = bench.uplink(&case.reply(pod, node));
    exit.is_translated(Reason::KnownReply, node_port, client, Out::Link(UPLINK));
    let exit = bench.uplink(&case.later(client, node_port));
    exit.is_translated(Reason::KnownFlow, node, pod, Out::Link(UPLINK));
    let exit = bench.uplink(&case.later(pod, node));
    exit.is_translated(Reason::KnownReply, node_port, client, Out::Link(UPLINK));
}

fn rule_3_2_7_the_reply_leaves_with_the_very_node_address_that_was_dialled(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, second) = (case.places.roles, case.places.second_node_port);
    let mut scene = textbook::scene();
    let (local, remote) = (
        scene.backend(roles.backend),
        scene.backend(roles.remote_backend),
    );
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[remote]);
    scene.frontend(second, case.proto, NODE_PORT, &[local]);
    bench.start(&scene);

    for (dialled, pod) in [
        (roles.node_port, roles.remote_backend),
        (second, roles.backend),
    ] {
        let seen = bench.uplink(&case.first(roles.client, dialled)).src();
        let exit = if pod == roles.backend {
            bench.pod(POD, &case.reply(pod, seen))
        } else {
            bench.uplink(&case.reply(pod, seen))
        };
        exit.is_translated(Reason::KnownReply, dialled, roles.client, Out::Link(UPLINK));
    }
}

fn rule_3_2_1_the_source_is_an_address_of_the_device_that_leads_to_the_backend(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, pod) = (case.places.roles, case.places.narrow_backend);
    bench.serve(case, roles.node_port, NODE_PORT, &[pod]);

    let exit = bench.uplink(&case.first(roles.client, roles.node_port));
    let node = exit.src();
    assert_eq!(node.ip(), case.places.narrow_masquerade);
    exit.is_translated(Reason::NewFlow, node, pod, Out::Link(NARROW));
    let exit = bench.enters(NARROW, &case.reply(pod, node));
    exit.is_translated(
        Reason::KnownReply,
        roles.node_port,
        roles.client,
        Out::Link(UPLINK),
    );
}

fn a_next_hop_that_was_never_seen_is_left_to_the_kernel(bench: &mut Bench<'_>, case: &Case) {
    let (roles, pod) = (case.places.roles, case.places.silent_backend);
    bench.serve(case, roles.node_port, NODE_PORT, &[pod]);

    let exit = bench.uplink(&case.first(roles.client, roles.node_port));
    exit.is_translated(Reason::NewFlow, exit.src(), pod, Out::Link(UPLINK));
}

fn rule_5_5_11_a_client_is_told_that_no_route_leads_to_its_backend(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, pod) = (case.places.roles, case.places.lost_backend);
    bench.serve(case, roles.node_port, NODE_PORT, &[pod]);

    let sent = case.first(roles.client, roles.node_port);
    let [kind, code] = if pod.is_ipv4() { [3, 1] } else { [1, 0] };
    let expected = expected_unreachable(&sent, kind, code, None);
    bench.uplink(&sent).is_answered(Reason::NoRoute, &expected);
}

fn decision_4_a_cluster_ip_is_not_served_to_the_uplink(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(case, roles.service, INTERNAL, &[roles.backend]);

    for dialled in [roles.service, case.places.unowned] {
        bench
            .uplink(&case.first(roles.client, dialled))
            .is_dropped(Reason::ExternalClusterIp);
    }
    assert_eq!(bench.machine.records(), []);
}

fn decision_4_a_cluster_ip_is_served_to_the_uplink_when_asked_for(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    scene.settings.flags |= EXTERNAL_CLUSTER_IP;
    let pod = scene.backend(roles.remote_backend);
    scene.frontend(roles.service, case.proto, INTERNAL, &[pod]);
    bench.start(&scene);

    let exit = bench.uplink(&case.first(roles.client, roles.service));
    let node = exit.src();
    assert_eq!(node.ip(), case.places.masquerade);
    exit.is_translated(
        Reason::NewFlow,
        node,
        roles.remote_backend,
        Out::Link(UPLINK),
    );
    let exit = bench.uplink(&case.reply(roles.remote_backend, node));
    exit.is_translated(
        Reason::KnownReply,
        roles.service,
        roles.client,
        Out::Link(UPLINK),
    );
}
