//! A pod of this node dials a Service.

use std::net::SocketAddr;

use tidegate_abi::{Device, Reason, frontend::flags::INTERNAL};
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    textbook::{self, MASQUERADE, POD, SIBLING, UPLINK},
};

journeys! {
    all: a_pod_reaches_its_sibling_through_the_cluster_ip_from_namespace_to_namespace,
        rule_3_1_15_a_pod_reaches_a_remote_pod_with_its_own_address,
        rule_3_3_1_a_pod_that_is_its_own_backend_sees_the_node,
        rule_3_3_4_a_flow_to_a_sibling_keeps_its_source,
        a_pod_behind_a_bridge_gets_its_replies_by_the_routing_table,
        a_pod_that_borrows_an_address_does_not_get_its_replies,
        a_flow_out_of_a_tunnel_is_masqueraded_and_undone;
}

/// The pod behind [`POD`], as a client.
fn caller(case: &Case) -> SocketAddr {
    SocketAddr::new(case.places.roles.backend.ip(), 41_000)
}

fn a_pod_reaches_its_sibling_through_the_cluster_ip_from_namespace_to_namespace(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (pod, service, sibling) = (caller(case), case.places.roles.service, case.places.sibling);
    bench.serve(case, service, INTERNAL, &[sibling]);

    let exit = bench.pod(POD, &case.first(pod, service));
    exit.is_translated(Reason::NewFlow, pod, sibling, Out::Pod(SIBLING));
    let exit = bench.pod(SIBLING, &case.reply(sibling, pod));
    exit.is_translated(Reason::KnownReply, service, pod, Out::Pod(POD));
    let exit = bench.pod(POD, &case.later(pod, service));
    exit.is_translated(Reason::KnownFlow, pod, sibling, Out::Pod(SIBLING));
}

fn rule_3_1_15_a_pod_reaches_a_remote_pod_with_its_own_address(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (pod, service, remote) = (caller(case), roles.service, roles.remote_backend);
    bench.serve(case, service, INTERNAL, &[remote]);

    let exit = bench.pod(POD, &case.first(pod, service));
    exit.is_translated(Reason::NewFlow, pod, remote, Out::Link(UPLINK));
    let exit = bench.uplink(&case.reply(remote, pod));
    exit.is_translated(Reason::KnownReply, service, pod, Out::Pod(POD));
}

fn rule_3_3_1_a_pod_that_is_its_own_backend_sees_the_node(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (pod, service, itself) = (caller(case), roles.service, roles.backend);
    bench.serve(case, service, INTERNAL, &[itself]);

    let exit = bench.pod(POD, &case.first(pod, service));
    let node = exit.src();
    assert_eq!(
        node.ip(),
        roles.node_port.ip(),
        "the node's primary address"
    );
    assert!(
        (MASQUERADE.0..=MASQUERADE.1).contains(&node.port()),
        "{node}"
    );
    exit.is_translated(Reason::NewFlow, node, itself, Out::Pod(POD));
    let exit = bench.pod(POD, &case.reply(itself, node));
    exit.is_translated(Reason::KnownReply, service, pod, Out::Pod(POD));
    let exit = bench.pod(POD, &case.later(pod, service));
    exit.is_translated(Reason::KnownFlow, node, itself, Out::Pod(POD));
}

fn rule_3_3_4_a_flow_to_a_sibling_keeps_its_source(bench: &mut Bench<'_>, case: &Case) {
    let (roles, sibling) = (case.places.roles, case.places.sibling);
    bench.serve(case, roles.service, INTERNAL, &[roles.backend, sibling]);

    let (mut to_itself, mut to_sibling) = (0, 0);
    for port in 41_000..41_040 {
        let pod = SocketAddr::new(roles.backend.ip(), port);
        let exit = bench.pod(POD, &case.first(pod, roles.service));
        if exit.src() == pod {
            exit.is_translated(Reason::NewFlow, pod, sibling, Out::Pod(SIBLING));
            to_sibling += 1;
        } else {
            assert_eq!(exit.src().ip(), roles.node_port.ip());
            exit.is_translated(Reason::NewFlow, exit.src(), roles.backend, Out::Pod(POD));
            to_itself += 1;
        }
    }
    assert!(
        to_itself > 0 && to_sibling > 0,
        "{to_itself} to itself, {to_sibling} to its sibling"
    );
}

fn a_pod_behind_a_bridge_gets_its_replies_by_the_routing_table(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (pod, service, sibling) = (caller(case), roles.service, case.places.sibling);
    let mut scene = textbook::scene();
    // Without the flag the device's other end is not a namespace that a frame can be put into.
    scene
        .devices
        .retain(|(index, _)| *index != POD && *index != SIBLING);
    scene
        .devices
        .extend([(POD, Device::default()), (SIBLING, Device::default())]);
    let backend = scene.backend(sibling);
    scene.frontend(service, case.proto, INTERNAL, &[backend]);
    bench.start(&scene);

    let exit = bench.pod(POD, &case.first(pod, service));
    exit.is_translated(Reason::NewFlow, pod, sibling, Out::Link(SIBLING));
    let exit = bench.pod(SIBLING, &case.reply(sibling, pod));
    exit.is_translated(Reason::KnownReply, service, pod, Out::Link(POD));
}

fn a_pod_that_borrows_an_address_does_not_get_its_replies(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (pod, service, remote) = (caller(case), roles.service, roles.remote_backend);
    bench.serve(case, service, INTERNAL, &[remote]);
    bench.pod(POD, &case.first(pod, service));
    bench.uplink(&case.reply(remote, pod));

    // Into a flow of its sibling's, whenever it comes to be looked after.
    for _ in 0..3 {
        bench.age(case.tuple(pod, service), 10);
        bench.pod(SIBLING, &case.later(pod, service));
        let exit = bench.uplink(&case.later(remote, pod));
        exit.is_translated(Reason::KnownReply, service, pod, Out::Pod(POD));
    }
    // With a flow of its own from an address that others are let in by.
    let borrowed = SocketAddr::new(roles.client.ip(), 41_001);
    bench.pod(SIBLING, &case.first(borrowed, service));
    let exit = bench.uplink(&case.reply(remote, borrowed));
    exit.is_translated(Reason::KnownReply, service, borrowed, Out::Link(UPLINK));
}

fn a_flow_out_of_a_tunnel_is_masqueraded_and_undone(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let remote = SocketAddr::new(roles.remote_backend.ip(), 42_000);
    let there = case.places.narrow_backend;
    bench.serve(case, roles.service, INTERNAL, &[there]);

    let exit = bench.overlay(&case.first(remote, roles.service));
    let node = exit.src();
    assert_eq!(node.ip(), case.places.narrow_masquerade);
    exit.is_translated(Reason::NewFlow, node, there, Out::Link(textbook::NARROW));
    let exit = bench.enters(textbook::NARROW, &case.reply(there, node));
    exit.is_translated(Reason::KnownReply, roles.service, remote, Out::Link(UPLINK));
}
