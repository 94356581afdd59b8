//! UDP flows whose backend serves on, but not at the address that the client dials.

use tidegate_abi::{BackendId, Reason, frontend::flags::NODE_PORT};
use tidegate_journeys::{
    Bench, Case, Out, Scene, journeys,
    textbook::{self, POD, SIBLING},
};

journeys! {
    udp: rule_5_2_12_udp_leaves_an_address_that_was_taken_away,
        rule_5_2_9_udp_follows_an_address_to_another_service,
        rule_5_2_12_replies_do_not_hide_that_an_address_was_taken_away,
        rule_5_2_12_the_next_datagram_is_asked_once_the_agent_says_that_addresses_moved;
}

/// A flow through the NodePort to one backend, and another backend that no table names yet.
fn opened(bench: &mut Bench<'_>, case: &Case) -> (Scene, BackendId) {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    let (old, new) = (
        scene.backend(roles.backend),
        scene.backend(case.places.sibling),
    );
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[old]);
    bench.start(&scene);
    bench.uplink(&case.first(roles.client, roles.node_port));
    bench.pod(POD, &case.reply(roles.backend, roles.client));
    (scene, new)
}

/// Its backend serves on, but the address that the client dials is not the Service's any more.
fn rule_5_2_12_udp_leaves_an_address_that_was_taken_away(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let mut scene = opened(bench, case).0;
    scene.frontends.retain(|(at, ..)| *at != roles.node_port);
    // A change only writes what is there; so the flow is carried over into a new start.
    let records = bench.machine.records();
    bench.start(&scene);
    for record in &records {
        bench.machine.put_record(record);
    }
    bench.age(case.tuple(roles.client, roles.node_port), 4);
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    exit.is_passed(Reason::NotService);
    assert_eq!(bench.machine.records(), []);
}

fn rule_5_2_9_udp_follows_an_address_to_another_service(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (mut scene, new) = opened(bench, case);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[new]);
    scene.frontend_mut(roles.node_port, case.proto).service += 1;
    bench.machine.change(&scene);
    bench.age(case.tuple(roles.client, roles.node_port), 4);
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    let sibling = case.places.sibling;
    exit.is_translated(Reason::NewFlow, roles.client, sibling, Out::Pod(SIBLING));
}

/// A backend that sends more often than its client (5.2.14) has all the looks at the records to itself.
fn rule_5_2_12_replies_do_not_hide_that_an_address_was_taken_away(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, sibling) = (case.places.roles, case.places.sibling);
    let (mut scene, new) = opened(bench, case);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[new]);
    scene.frontend_mut(roles.node_port, case.proto).service += 1;
    bench.machine.change(&scene);
    bench.age(case.tuple(roles.client, roles.node_port), 4);
    bench.age(case.tuple(roles.backend, roles.client), 4);
    let exit = bench.pod(POD, &case.reply(roles.backend, roles.client));
    exit.is_passed(Reason::NotService);
    assert_eq!(bench.machine.records(), []);
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    exit.is_translated(Reason::NewFlow, roles.client, sibling, Out::Pod(SIBLING));
}

/// The record was looked after in this very tick, or some ticks ago, and would not be again before the fourth one.
fn rule_5_2_12_the_next_datagram_is_asked_once_the_agent_says_that_addresses_moved(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (roles, sibling) = (case.places.roles, case.places.sibling);
    for age in [0, 2] {
        let (mut scene, new) = opened(bench, case);
        scene.frontend(roles.node_port, case.proto, NODE_PORT, &[new]);
        scene.frontend_mut(roles.node_port, case.proto).service += 1;
        bench.machine.change(&scene);
        bench.machine.note_moved();
        bench.age(case.tuple(roles.client, roles.node_port), age);
        let exit = bench.uplink(&case.later(roles.client, roles.node_port));
        exit.is_translated(Reason::NewFlow, roles.client, sibling, Out::Pod(SIBLING));
    }
}
