//! A flow's life: what its records outlive, and what ends them.

use std::net::SocketAddr;

use tidegate_abi::{BackendId, Reason, frontend::flags::NODE_PORT};
use tidegate_datapath::tcp;
use tidegate_frames::{
    Frame,
    frame::tcp::{ACK, FIN, RST, SYN},
};
use tidegate_journeys::{
    Bench, Case, Out, Scene, journeys,
    textbook::{self, POD, SIBLING, UPLINK},
};

journeys! {
    tcp: rule_5_3_1_a_syn_on_a_flow_that_both_sides_closed_opens_a_new_one,
        rule_5_3_1_a_syn_on_a_flow_that_was_reset_opens_a_new_one,
        rule_5_3_2_a_syn_on_an_open_flow_keeps_the_backend,
        rule_5_3_9_a_syn_on_an_open_flow_leaves_a_backend_that_is_gone,
        rule_5_1_1_tcp_stays_with_a_backend_that_no_longer_serves,
        rule_5_3_4_a_reset_flow_on_which_traffic_goes_on_is_open_again,
        rule_5_3_6_a_half_closed_flow_is_translated_for_an_hour,
        the_backend_may_answer_somebody_who_dials_it_directly_after_the_flow,
        rule_5_7_15_the_reply_record_carries_the_state_of_the_forward_record;
    udp: rule_5_2_2_udp_leaves_a_backend_whose_generation_moved,
        rule_5_2_2_udp_leaves_a_backend_that_no_longer_serves,
        an_idle_udp_flow_is_balanced_anew,
        an_idle_reply_record_leaves_direct_datagrams_alone;
    all: a_lost_reply_record_is_repaired_at_the_next_look,
        the_records_of_a_flow_are_looked_after_every_fourth_tick,
        rule_5_2_14_a_reply_keeps_its_flow_alive,
        rule_5_1_13_a_repeated_first_packet_goes_to_the_same_backend,
        rule_3_2_5_a_record_outlives_the_frontend;
}

/// A local backend behind the NodePort, and beside it another one that no table names yet.
fn scene(case: &Case) -> (Scene, BackendId, BackendId) {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    let (old, new) = (
        scene.backend(roles.backend),
        scene.backend(case.places.sibling),
    );
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[old]);
    (scene, old, new)
}

/// From now on new flows go to the other one.
fn switch(bench: &mut Bench<'_>, case: &Case, mut scene: Scene, to: BackendId) -> Scene {
    scene.frontend(case.places.roles.node_port, case.proto, NODE_PORT, &[to]);
    bench.machine.change(&scene);
    scene
}

fn opened(bench: &mut Bench<'_>, case: &Case) -> (Scene, BackendId, BackendId) {
    let roles = case.places.roles;
    let scene = scene(case);
    bench.start(&scene.0);
    bench.uplink(&case.first(roles.client, roles.node_port));
    bench.pod(POD, &case.reply(roles.backend, roles.client));
    scene
}

fn segment(src: SocketAddr, dst: SocketAddr, flags: u8) -> Vec<u8> {
    Frame::tcp(src, dst).flags(flags).build()
}

/// After [`switch`] the client's next connection goes to the other backend.
fn a_syn_opens_anew(bench: &mut Bench<'_>, case: &Case) {
    let (client, dialled) = (case.places.roles.client, case.places.roles.node_port);
    let exit = bench.uplink(&segment(client, dialled, SYN));
    exit.is_translated(
        Reason::NewFlow,
        client,
        case.places.sibling,
        Out::Pod(SIBLING),
    );
}

fn rule_5_3_1_a_syn_on_a_flow_that_both_sides_closed_opens_a_new_one(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, dialled, pod) = (roles.client, roles.node_port, roles.backend);
    for client_first in [true, false] {
        let (before, _, new) = opened(bench, case);
        let mut fins = [(client, dialled), (pod, client)];
        if !client_first {
            fins.reverse();
        }
        for (src, dst) in fins {
            let device = if src == pod { POD } else { UPLINK };
            let frame = segment(src, dst, FIN | ACK);
            let exit = if device == POD {
                bench.pod(POD, &frame)
            } else {
                bench.uplink(&frame)
            };
            assert!(
                matches!(exit.reason, Some(Reason::KnownFlow | Reason::KnownReply)),
                "{exit:?}"
            );
        }
        // The last acknowledgement, and a segment late on the wire, still find the flow.
        let exit = bench.uplink(&segment(client, dialled, ACK));
        exit.is_translated(Reason::KnownFlow, client, pod, Out::Pod(POD));
        switch(bench, case, before, new);
        a_syn_opens_anew(bench, case);
    }
}

fn rule_5_3_1_a_syn_on_a_flow_that_was_reset_opens_a_new_one(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    let (before, _, new) = opened(bench, case);
    bench.pod(POD, &segment(roles.backend, client, RST | ACK));
    switch(bench, case, before, new);
    a_syn_opens_anew(bench, case);
    let exit = bench.pod(SIBLING, &case.reply(case.places.sibling, client));
    exit.is_translated(Reason::KnownReply, dialled, client, Out::Link(UPLINK));
}

fn rule_5_3_2_a_syn_on_an_open_flow_keeps_the_backend(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (before, _, new) = opened(bench, case);
    switch(bench, case, before, new);
    let exit = bench.uplink(&segment(roles.client, roles.node_port, SYN));
    exit.is_translated(
        Reason::KnownFlow,
        roles.client,
        roles.backend,
        Out::Pod(POD),
    );
}

fn rule_5_3_9_a_syn_on_an_open_flow_leaves_a_backend_that_is_gone(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    for is_new in [false, true] {
        let (mut scene, old, new) = opened(bench, case);
        // It serves no more, or its address is another pod's.
        scene.backend_mut(old).generation += 1;
        if !is_new {
            scene.backend_mut(old).flags = 0;
        }
        switch(bench, case, scene, new);
        let (client, dialled) = (roles.client, roles.node_port);
        bench.uplink(&case.later(client, dialled)).is_translated(
            Reason::KnownFlow,
            client,
            roles.backend,
            Out::Pod(POD),
        );
        a_syn_opens_anew(bench, case);
        let exit = bench.pod(SIBLING, &segment(case.places.sibling, client, SYN | ACK));
        exit.is_translated(Reason::KnownReply, dialled, client, Out::Link(UPLINK));
    }
}

fn rule_5_1_1_tcp_stays_with_a_backend_that_no_longer_serves(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (mut scene, old, new) = opened(bench, case);
    scene.backend_mut(old).flags = 0;
    scene.backend_mut(old).generation += 1;
    switch(bench, case, scene, new);
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    exit.is_translated(
        Reason::KnownFlow,
        roles.client,
        roles.backend,
        Out::Pod(POD),
    );
    let exit = bench.pod(POD, &case.later(roles.backend, roles.client));
    exit.is_translated(
        Reason::KnownReply,
        roles.node_port,
        roles.client,
        Out::Link(UPLINK),
    );
}

fn rule_5_3_4_a_reset_flow_on_which_traffic_goes_on_is_open_again(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    opened(bench, case);
    let forward = case.tuple(client, dialled);
    bench.pod(POD, &segment(roles.backend, client, RST));
    assert_eq!(bench.record(forward).state, tcp::RESET);
    bench.age(forward, 1);
    let exit = bench.uplink(&case.later(client, dialled));
    exit.is_translated(Reason::KnownFlow, client, roles.backend, Out::Pod(POD));
    assert_eq!(bench.record(forward).state, tcp::OPEN);
    assert_eq!(
        bench.record(case.tuple(roles.backend, client)).state,
        tcp::OPEN
    );
}

/// Longer times than a machine may have been up: the record is made younger, not the clock older.
fn rule_5_3_6_a_half_closed_flow_is_translated_for_an_hour(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    opened(bench, case);
    bench.uplink(&segment(client, dialled, FIN | ACK));
    assert_eq!(
        bench.record(case.tuple(client, dialled)).state,
        tcp::CLIENT_DONE
    );
    bench.age(case.tuple(client, dialled), 3_360);
    let exit = bench.uplink(&segment(client, dialled, ACK));
    exit.is_translated(Reason::KnownFlow, client, roles.backend, Out::Pod(POD));
}

fn rule_5_7_15_the_reply_record_carries_the_state_of_the_forward_record(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (client, dialled, pod) = (roles.client, roles.node_port, roles.backend);
    let (scene, ..) = scene(case);
    bench.start(&scene);
    let states = [
        (client, dialled, SYN, tcp::OPENING),
        (pod, client, SYN | ACK, tcp::OPEN),
        (client, dialled, ACK, tcp::OPEN),
        (pod, client, FIN | ACK, tcp::BACKEND_DONE),
        (client, dialled, FIN | ACK, tcp::CLOSED),
        (pod, client, RST, tcp::CLOSED),
    ];
    for (src, dst, flags, state) in states {
        let frame = segment(src, dst, flags);
        if src == pod {
            bench.pod(POD, &frame)
        } else {
            bench.uplink(&frame)
        };
        let (forward, reply) = (case.tuple(client, dialled), case.tuple(pod, client));
        assert_eq!(
            (bench.record(forward).state, bench.record(reply).state),
            (state, state)
        );
    }
}

fn rule_5_2_2_udp_leaves_a_backend_whose_generation_moved(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (mut scene, old, new) = opened(bench, case);
    scene.backend_mut(old).generation += 1;
    switch(bench, case, scene, new);
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    exit.is_translated(
        Reason::NewFlow,
        roles.client,
        case.places.sibling,
        Out::Pod(SIBLING),
    );
    let exit = bench.pod(SIBLING, &case.reply(case.places.sibling, roles.client));
    exit.is_translated(
        Reason::KnownReply,
        roles.node_port,
        roles.client,
        Out::Link(UPLINK),
    );
}

fn rule_5_2_2_udp_leaves_a_backend_that_no_longer_serves(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (scene, old, new) = opened(bench, case);
    let mut scene = switch(bench, case, scene, new);
    // Another endpoint was added: who is still serving keeps its flows (rule 5.2.3).
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    exit.is_translated(
        Reason::KnownFlow,
        roles.client,
        roles.backend,
        Out::Pod(POD),
    );
    scene.backend_mut(old).flags = 0;
    bench.machine.change(&scene);
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    exit.is_translated(
        Reason::NewFlow,
        roles.client,
        case.places.sibling,
        Out::Pod(SIBLING),
    );
}

fn an_idle_udp_flow_is_balanced_anew(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (scene, _, new) = opened(bench, case);
    switch(bench, case, scene, new);
    bench.age(case.tuple(roles.client, roles.node_port), 119);
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    exit.is_translated(
        Reason::KnownFlow,
        roles.client,
        roles.backend,
        Out::Pod(POD),
    );
    bench.age(case.tuple(roles.client, roles.node_port), 125);
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    exit.is_translated(
        Reason::NewFlow,
        roles.client,
        case.places.sibling,
        Out::Pod(SIBLING),
    );
}

fn a_lost_reply_record_is_repaired_at_the_next_look(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled, pod) = (roles.client, roles.node_port, roles.remote_backend);
    bench.serve(case, dialled, NODE_PORT, &[pod]);
    let node = bench.uplink(&case.first(client, dialled)).src();
    let (forward, reply) = (case.tuple(client, dialled), case.tuple(pod, node));
    let before = bench.record(reply);
    bench.machine.remove_record(&reply);

    bench.age(forward, 4);
    let exit = bench.uplink(&case.later(client, dialled));
    exit.is_translated(Reason::KnownFlow, node, pod, Out::Link(UPLINK));
    let after = bench.record(reply);
    assert_eq!(
        tidegate_journeys::record::Record {
            seen: before.seen,
            ..after
        },
        before
    );
    let exit = bench.uplink(&case.later(pod, node));
    exit.is_translated(Reason::KnownReply, dialled, client, Out::Link(UPLINK));
}

fn the_records_of_a_flow_are_looked_after_every_fourth_tick(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled, pod) = (roles.client, roles.node_port, roles.backend);
    opened(bench, case);
    bench.uplink(&case.later(client, dialled));
    let (forward, reply) = (case.tuple(client, dialled), case.tuple(pod, client));
    let state = bench.record(forward).state;
    assert!(matches!(state, tcp::OPEN | tcp::ANSWERED), "{state}");
    // One tick may pass while this is tried.
    bench.age(forward, 2);
    let before = bench.record(forward).seen;
    bench.machine.remove_record(&reply);
    let exit = bench.uplink(&case.later(client, dialled));
    exit.is_translated(Reason::KnownFlow, client, pod, Out::Pod(POD));
    assert_eq!(bench.record(forward).seen, before);

    bench.age(forward, 4);
    bench.uplink(&case.later(client, dialled));
    for key in [forward, reply] {
        let age = bench.machine.tick() - bench.record(key).seen;
        assert!(age <= 1, "{key:?}: {age}");
    }
}

fn rule_5_2_14_a_reply_keeps_its_flow_alive(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (client, dialled) = (roles.client, roles.node_port);
    opened(bench, case);
    let (forward, reply) = (
        case.tuple(client, dialled),
        case.tuple(roles.backend, client),
    );
    bench.age(forward, 100);
    bench.age(reply, 100);
    bench.pod(POD, &case.later(roles.backend, client));
    for key in [forward, reply] {
        let age = bench.machine.tick() - bench.record(key).seen;
        assert!(age <= 1, "{key:?}: {age}");
    }
}

fn rule_5_1_13_a_repeated_first_packet_goes_to_the_same_backend(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (scene, _, new) = scene(case);
    bench.start(&scene);
    bench.uplink(&case.first(roles.client, roles.node_port));
    switch(bench, case, scene, new);
    let exit = bench.uplink(&case.first(roles.client, roles.node_port));
    exit.is_translated(
        Reason::KnownFlow,
        roles.client,
        roles.backend,
        Out::Pod(POD),
    );
}

fn rule_3_2_5_a_record_outlives_the_frontend(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (mut scene, ..) = opened(bench, case);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[]);
    bench.machine.change(&scene);
    let exit = bench.uplink(&case.later(roles.client, roles.node_port));
    exit.is_translated(
        Reason::KnownFlow,
        roles.client,
        roles.backend,
        Out::Pod(POD),
    );
}

fn the_backend_may_answer_somebody_who_dials_it_directly_after_the_flow(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (client, pod) = (case.places.roles.client, case.places.roles.backend);
    opened(bench, case);
    bench.pod(POD, &segment(pod, client, RST));
    bench
        .pod(POD, &segment(pod, client, SYN | ACK))
        .is_passed(Reason::NotService);
    bench
        .pod(POD, &case.later(pod, client))
        .is_passed(Reason::NotService);
}

fn an_idle_reply_record_leaves_direct_datagrams_alone(bench: &mut Bench<'_>, case: &Case) {
    let (client, pod) = (case.places.roles.client, case.places.roles.backend);
    opened(bench, case);
    bench.age(case.tuple(pod, client), 125);
    bench
        .pod(POD, &case.later(pod, client))
        .is_passed(Reason::NotService);
}
