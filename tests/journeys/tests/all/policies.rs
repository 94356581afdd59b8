//! Traffic policies, and the guard of the service range.

use std::net::SocketAddr;

use tidegate_abi::{
    Proto, Reason,
    frontend::flags::{INTERNAL, LOCAL_ONLY, NODE_PORT},
};
use tidegate_frames::Frame;
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    textbook::{self, POD, SIBLING, UPLINK},
};

journeys! {
    all: rule_2_4_2_policy_local_without_a_local_endpoint_is_dropped,
        rule_2_3_2_policy_local_sends_clients_to_local_endpoints_only,
        rule_2_3_1_internal_policy_local_binds_pods,
        rule_2_3_4_a_pod_is_not_bound_by_the_external_policy_and_keeps_its_address,
        rule_2_4_10_an_unowned_address_of_the_service_range_is_dropped,
        rule_2_4_11_an_unknown_port_of_a_node_address_is_none_of_ours,
        rule_1_1_3_the_same_port_of_another_protocol_is_another_service,
        rule_2_4_12_what_cannot_be_translated_does_not_leave_the_service_range,
        a_slot_that_names_a_backend_out_of_service_is_dropped;
}

fn caller(case: &Case) -> SocketAddr {
    SocketAddr::new(case.places.roles.backend.ip(), 41_000)
}

fn rule_2_4_2_policy_local_without_a_local_endpoint_is_dropped(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.serve(
        case,
        roles.node_port,
        NODE_PORT | LOCAL_ONLY,
        &[roles.remote_backend],
    );
    let exit = bench.uplink(&case.first(roles.client, roles.node_port));
    exit.is_dropped(Reason::NoLocalEndpoint);

    bench.serve(
        case,
        roles.service,
        INTERNAL | LOCAL_ONLY,
        &[roles.remote_backend],
    );
    let exit = bench.pod(POD, &case.first(caller(case), roles.service));
    exit.is_dropped(Reason::NoLocalEndpoint);
    assert_eq!(bench.machine.records(), []);
}

fn rule_2_3_2_policy_local_sends_clients_to_local_endpoints_only(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let backends = [
        roles.remote_backend,
        roles.backend,
        case.places.narrow_backend,
    ];
    bench.serve(case, roles.node_port, NODE_PORT | LOCAL_ONLY, &backends);
    for port in 40_000..40_016 {
        let client = SocketAddr::new(roles.client.ip(), port);
        let exit = bench.uplink(&case.first(client, roles.node_port));
        exit.is_translated(Reason::NewFlow, client, roles.backend, Out::Pod(POD));
    }
}

fn rule_2_3_1_internal_policy_local_binds_pods(bench: &mut Bench<'_>, case: &Case) {
    let (roles, sibling) = (case.places.roles, case.places.sibling);
    let backends = [roles.remote_backend, sibling];
    bench.serve(case, roles.service, INTERNAL | LOCAL_ONLY, &backends);
    for port in 41_000..41_016 {
        let pod = SocketAddr::new(roles.backend.ip(), port);
        let exit = bench.pod(POD, &case.first(pod, roles.service));
        exit.is_translated(Reason::NewFlow, pod, sibling, Out::Pod(SIBLING));
    }
}

fn rule_2_3_4_a_pod_is_not_bound_by_the_external_policy_and_keeps_its_address(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, pod) = (case.places.roles, caller(case));
    bench.serve(
        case,
        roles.node_port,
        NODE_PORT | LOCAL_ONLY,
        &[roles.remote_backend],
    );
    let exit = bench.pod(POD, &case.first(pod, roles.node_port));
    exit.is_translated(
        Reason::NewFlow,
        pod,
        roles.remote_backend,
        Out::Link(UPLINK),
    );
    let exit = bench.uplink(&case.reply(roles.remote_backend, pod));
    exit.is_translated(Reason::KnownReply, roles.node_port, pod, Out::Pod(POD));
}

fn rule_2_4_10_an_unowned_address_of_the_service_range_is_dropped(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.serve(case, roles.service, INTERNAL, &[case.places.sibling]);
    let exit = bench.pod(POD, &case.first(caller(case), case.places.unowned));
    exit.is_dropped(Reason::NotOwned);
    let exit = bench.overlay(&case.first(roles.client, case.places.unowned));
    exit.is_dropped(Reason::NotOwned);
}

fn rule_2_4_11_an_unknown_port_of_a_node_address_is_none_of_ours(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.serve(case, roles.node_port, NODE_PORT, &[roles.backend]);
    let ssh = SocketAddr::new(roles.node_port.ip(), 22);
    bench
        .uplink(&case.first(roles.client, ssh))
        .is_passed(Reason::NotService);
    // Rule 2.4.8: what is merely forwarded with a NodePort's number is not ours either.
    let through = SocketAddr::new(case.places.elsewhere.ip(), roles.node_port.port());
    bench
        .uplink(&case.first(roles.client, through))
        .is_passed(Reason::NotService);
}

fn rule_1_1_3_the_same_port_of_another_protocol_is_another_service(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    let (here, there) = (
        scene.backend(roles.backend),
        scene.backend(case.places.sibling),
    );
    let other = if case.proto == Proto::TCP {
        Proto::UDP
    } else {
        Proto::TCP
    };
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[here]);
    scene.frontend(roles.node_port, other, NODE_PORT, &[there]);
    bench.start(&scene);
    let client = roles.client;
    let exit = bench.uplink(&case.first(client, roles.node_port));
    exit.is_translated(Reason::NewFlow, client, roles.backend, Out::Pod(POD));
    let exit = bench.uplink(
        &Case {
            proto: other,
            ..*case
        }
        .first(client, roles.node_port),
    );
    exit.is_translated(
        Reason::NewFlow,
        client,
        case.places.sibling,
        Out::Pod(SIBLING),
    );
}

fn a_slot_that_names_a_backend_out_of_service_is_dropped(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    let backend = scene.backend(roles.backend);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[backend]);
    scene.backend_mut(backend).flags = 0;
    bench.start(&scene);
    let exit = bench.uplink(&case.first(roles.client, roles.node_port));
    exit.is_dropped(Reason::BackendGone);
    assert_eq!(bench.machine.records(), []);
}

fn rule_2_4_12_what_cannot_be_translated_does_not_leave_the_service_range(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, pod) = (case.places.roles, caller(case));
    bench.serve(case, roles.service, INTERNAL, &[case.places.sibling]);
    let fragments = Frame::echo(pod, roles.service, 1, 1)
        .payload([7; 100])
        .fragments(64);
    let others = [
        Frame::echo(pod, roles.service, 1, 1).build(),
        Frame::raw(pod, roles.service, 47).build(),
    ];
    for frame in fragments.iter().chain(&others) {
        bench.pod(POD, frame).is_dropped(Reason::Untranslatable);
        bench.uplink(frame).is_dropped(Reason::Untranslatable);
    }
}
