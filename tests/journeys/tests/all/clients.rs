//! A client outside the cluster dials a NodePort.

use tidegate_abi::{Reason, frontend::flags::NODE_PORT};
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    textbook::{self, MASQUERADE, POD, UPLINK},
};

journeys! {
    all: rule_3_2_6_a_local_pod_sees_the_client_and_answers_from_the_dialled_address,
        rule_3_2_6_a_remote_pod_sees_the_node_and_its_answer_is_undone;
}

fn rule_3_2_6_a_local_pod_sees_the_client_and_answers_from_the_dialled_address(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, node_port, pod) = (roles.client, roles.node_port, roles.backend);
    let mut scene = textbook::scene();
    let backend = scene.backend(pod);
    scene.frontend(node_port, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);

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
    let mut scene = textbook::scene();
    let backend = scene.backend(pod);
    scene.frontend(node_port, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);

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
