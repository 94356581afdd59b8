//! Old flows are removed, both records together, and nothing else is.

use tidegate_abi::frontend::flags::NODE_PORT;
use tidegate_datapath::{sweep::GRACE, tcp};
use tidegate_journeys::{
    Bench, Case, journeys,
    record::Tuple,
    textbook::{self, POD},
};

journeys! {
    all: rule_5_7_12_an_idle_flow_goes_with_both_records,
        rule_5_7_10_a_flow_in_its_grace_stays,
        rule_5_7_10_a_record_made_a_moment_ago_stays,
        rule_5_7_12_and_5_7_14_either_record_that_is_in_use_keeps_both,
        rule_5_7_12_a_reply_record_without_its_forward_record_goes,
        rule_5_7_12_a_reply_record_that_became_another_flows_is_left_alone;
    udp: rule_5_7_12_more_flows_than_are_read_at_a_time_go;
    tcp: rule_5_7_2_and_5_3_5_an_open_connection_that_rests_stays,
        rule_5_7_4_a_closed_connection_goes_before_an_open_one;
}

/// A flow through the NodePort, its two tuples.
fn flow(bench: &mut Bench<'_>, case: &Case) -> (Tuple, Tuple) {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    let backend = scene.backend(roles.backend);
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[backend]);
    bench.start(&scene);
    bench.uplink(&case.first(roles.client, roles.node_port));
    bench.pod(POD, &case.reply(roles.backend, roles.client));
    (
        case.tuple(roles.client, roles.node_port),
        case.tuple(roles.backend, roles.client),
    )
}

/// Makes a record look as if it had been made and used so many ticks ago.
fn make_old(bench: &mut Bench<'_>, key: Tuple, idle: u32, age: u32, state: Option<u16>) {
    let mut record = bench.record(key);
    bench.wait_until_old_enough(age.max(idle));
    let now = bench.machine.tick();
    record.seen = now - idle;
    record.created = now - age;
    record.state = state.unwrap_or(record.state);
    bench.machine.put_record(&record);
}

/// How long a record without TCP's states, or of a closed connection, may rest.
fn time_of(case: &Case) -> (u32, Option<u16>) {
    let is_udp = case.proto == tidegate_abi::Proto::UDP;
    let state = if is_udp { tcp::NONE } else { tcp::CLOSED };
    (tcp::idle_ticks(state), Some(state))
}

fn rule_5_7_12_an_idle_flow_goes_with_both_records(bench: &mut Bench<'_>, case: &Case) {
    let (forward, reply) = flow(bench, case);
    let (time, state) = time_of(case);
    for key in [forward, reply] {
        make_old(bench, key, time + GRACE + 2, time + GRACE + 2, state);
    }
    assert_eq!(bench.machine.sweep(), 1);
    assert_eq!(bench.machine.records(), []);
}

fn rule_5_7_10_a_flow_in_its_grace_stays(bench: &mut Bench<'_>, case: &Case) {
    let (forward, reply) = flow(bench, case);
    let (time, state) = time_of(case);
    for key in [forward, reply] {
        make_old(bench, key, time + GRACE - 1, time + GRACE, state);
    }
    assert_eq!(bench.machine.sweep(), 0);
    assert_eq!(bench.machine.records().len(), 2);
}

fn rule_5_7_10_a_record_made_a_moment_ago_stays(bench: &mut Bench<'_>, case: &Case) {
    let (forward, reply) = flow(bench, case);
    let (time, state) = time_of(case);
    for key in [forward, reply] {
        make_old(bench, key, time + GRACE + 2, GRACE - 2, state);
    }
    assert_eq!(bench.machine.sweep(), 0);
}

fn rule_5_7_12_and_5_7_14_either_record_that_is_in_use_keeps_both(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    for used in [0, 1] {
        let (forward, reply) = flow(bench, case);
        let (time, state) = time_of(case);
        for (index, key) in [forward, reply].into_iter().enumerate() {
            let idle = if index == used { 1 } else { time + GRACE + 2 };
            make_old(bench, key, idle, time + GRACE + 2, state);
        }
        assert_eq!(bench.machine.sweep(), 0, "{used}");
        assert_eq!(bench.machine.records().len(), 2, "{used}");
    }
}

fn rule_5_7_12_a_reply_record_without_its_forward_record_goes(bench: &mut Bench<'_>, case: &Case) {
    let (forward, reply) = flow(bench, case);
    let (time, state) = time_of(case);
    bench.machine.remove_record(&forward);
    make_old(bench, reply, time + GRACE + 2, time + GRACE + 2, state);
    assert_eq!(bench.machine.sweep(), 1);
    assert_eq!(bench.machine.records(), []);
}

fn rule_5_7_12_a_reply_record_that_became_another_flows_is_left_alone(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (forward, reply) = flow(bench, case);
    let (time, state) = time_of(case);
    make_old(bench, forward, time + GRACE + 2, time + GRACE + 2, state);
    let mut other = bench.record(reply);
    other.out.dst.set_port(other.out.dst.port() ^ 1);
    bench.machine.put_record(&other);
    assert_eq!(bench.machine.sweep(), 1);
    assert_eq!(bench.machine.records(), [other]);
}

fn rule_5_7_2_and_5_3_5_an_open_connection_that_rests_stays(bench: &mut Bench<'_>, case: &Case) {
    let (forward, reply) = flow(bench, case);
    for key in [forward, reply] {
        make_old(bench, key, 300, 300, Some(tcp::OPEN));
    }
    assert_eq!(bench.machine.sweep(), 0);
    // The kernel's keepalive, and its probes: two hours and twelve minutes (a machine may be younger).
    assert!(tcp::idle_ticks(tcp::OPEN) > 2 * 3600 + 12 * 60);
}

fn rule_5_7_4_a_closed_connection_goes_before_an_open_one(bench: &mut Bench<'_>, case: &Case) {
    for state in [tcp::CLOSED, tcp::RESET] {
        let (forward, reply) = flow(bench, case);
        for key in [forward, reply] {
            make_old(bench, key, 120, 120, Some(state));
        }
        assert_eq!(bench.machine.sweep(), 1, "{state}");
    }
}

/// The loader reads 4,096 records at a time; the walk must go on behind them, and come to an end.
fn rule_5_7_12_more_flows_than_are_read_at_a_time_go(bench: &mut Bench<'_>, case: &Case) {
    let (forward, reply) = flow(bench, case);
    let (time, state) = time_of(case);
    for key in [forward, reply] {
        make_old(bench, key, time + GRACE + 2, time + GRACE + 2, state);
    }
    let [forward, reply] = [forward, reply].map(|key| bench.record(key));
    for port in 10_000..15_000 {
        let (mut there, mut back) = (forward, reply);
        for end in [
            &mut there.key.src,
            &mut there.out.src,
            &mut back.key.dst,
            &mut back.out.dst,
        ] {
            end.set_port(port);
        }
        bench.machine.put_record(&there);
        bench.machine.put_record(&back);
    }
    assert_eq!(bench.machine.sweep(), 5_001);
    assert_eq!(bench.machine.records(), []);
}
