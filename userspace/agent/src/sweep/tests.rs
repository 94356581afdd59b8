use tidegate_abi::{Flow, Ip4, Port, Proto, flow::flags};

use super::*;

/// Far enough from zero that every timeout has room below it.
const NOW: u32 = 1_000_000;
const DAY_AND_MORE: u32 = 90_000;

/// Both records of a flow from a client's port through 10.96.0.1:80 to 10.244.0.7:8080, last used and
/// made so many ticks ago.
fn flow(proto: Proto, client_port: u16, state: u16, idle: u32, age: u32) -> [FlowRecord<Ip4>; 2] {
    let client = (Ip4::new([192, 0, 2, 1]), Port::new(client_port));
    let frontend = (Ip4::new([10, 96, 0, 1]), Port::new(80));
    let backend = (Ip4::new([10, 244, 0, 7]), Port::new(8080));
    let record = |from: [(Ip4, Port); 2], to: [(Ip4, Port); 2], flags| {
        let key = FlowKey {
            src: from[0].0,
            dst: from[1].0,
            src_port: from[0].1,
            dst_port: from[1].1,
            proto,
            pad: [0; 3],
        };
        let flow = Flow {
            src: to[0].0,
            dst: to[1].0,
            src_port: to[0].1,
            dst_port: to[1].1,
            seen: NOW - idle,
            created: NOW - age,
            flags,
            state,
            ..Flow::default()
        };
        (key, flow)
    };
    [
        record([client, frontend], [client, backend], 0),
        record([backend, client], [frontend, client], flags::REPLY),
    ]
}

/// Whether the flow goes, with both of its records.
fn goes(records: &[FlowRecord<Ip4>; 2]) -> bool {
    match candidates(records, NOW)[..] {
        [] => false,
        [only] => {
            assert_eq!((only.key, only.reply), (records[0].0, Some(records[1].0)));
            true
        }
        _ => panic!("more candidates than flows"),
    }
}

fn is_due(proto: Proto, state: u16, idle: u32) -> bool {
    goes(&flow(proto, 40_000, state, idle, DAY_AND_MORE))
}

#[test]
fn rule_5_7_10_a_flow_goes_when_its_time_and_the_grace_are_over() {
    for state in [tcp::OPENING, tcp::OPEN, tcp::CLIENT_DONE, tcp::CLOSED] {
        let last = tcp::idle_ticks(state) + GRACE;
        assert!(!is_due(Proto::TCP, state, last), "{state}");
        assert!(is_due(Proto::TCP, state, last + 1), "{state}");
    }
}

#[test]
fn rule_5_7_10_a_record_made_seconds_ago_stays_whatever_its_times_say() {
    let idle = tcp::idle_ticks(tcp::CLOSED) + GRACE + 1;
    assert!(goes(&flow(Proto::TCP, 1, tcp::CLOSED, idle, GRACE + 1)));
    assert!(!goes(&flow(Proto::TCP, 1, tcp::CLOSED, idle, GRACE)));
}

#[test]
fn rule_5_7_2_and_5_3_5_an_open_connection_that_rests_for_hours_stays() {
    // Two hours and twelve minutes: the kernel's keepalive, and its probes.
    assert!(!is_due(Proto::TCP, tcp::OPEN, 2 * 3600 + 12 * 60));
}

#[test]
fn rule_5_7_3_and_5_3_6_a_half_closed_connection_stays_for_an_hour() {
    let hour = (3_600_000_000_000_u64 >> TICK_SHIFT) as u32;
    for state in [tcp::CLIENT_DONE, tcp::BACKEND_DONE] {
        assert!(!is_due(Proto::TCP, state, hour));
        assert!(is_due(Proto::TCP, state, 2 * hour));
    }
}

#[test]
fn rule_5_7_4_what_is_closed_or_reset_goes_within_minutes() {
    for state in [tcp::CLOSED, tcp::RESET] {
        assert!(is_due(Proto::TCP, state, 120));
    }
}

#[test]
fn rule_5_7_6_a_udp_flow_goes_after_minutes() {
    assert!(!is_due(Proto::UDP, tcp::NONE, 110));
    assert!(is_due(Proto::UDP, tcp::NONE, 200));
}

#[test]
fn rule_5_7_12_and_5_2_14_either_record_that_is_in_use_keeps_both() {
    for used in [0, 1] {
        let mut records = flow(Proto::UDP, 40_000, tcp::NONE, 500, 5_000);
        assert!(goes(&records));
        records[used].1.seen = NOW - 1;
        assert!(!goes(&records), "{used}");
        records.reverse();
        assert!(candidates(&records, NOW).is_empty(), "{used}, other order");
    }
}

#[test]
fn rule_5_7_14_the_latest_use_of_either_record_is_what_the_kernel_compares_with() {
    let mut records = flow(Proto::UDP, 40_000, tcp::NONE, 500, 5_000);
    records[1].1.seen = NOW - 400;
    assert_eq!(candidates(&records, NOW)[0].seen, NOW - 400);
}

#[test]
fn rule_5_7_12_a_reply_record_without_its_forward_record_goes_alone() {
    let [_, reply] = flow(Proto::UDP, 40_000, tcp::NONE, 500, 5_000);
    let expected = Candidate {
        key: reply.0,
        reply: None,
        seen: reply.1.seen,
    };
    assert_eq!(candidates(&[reply], NOW), [expected]);
    let [_, fresh] = flow(Proto::UDP, 40_000, tcp::NONE, 5, 5_000);
    assert!(candidates(&[fresh], NOW).is_empty());
}

#[test]
fn rule_5_7_12_a_reply_record_that_became_another_flows_is_left_alone() {
    let [forward, mut reply] = flow(Proto::UDP, 40_000, tcp::NONE, 500, 5_000);
    // The same tuple from the backend, but it leads to another client: a masquerade port given anew.
    reply.1.dst_port = Port::new(40_001);
    reply.1.seen = NOW;
    let expected = Candidate {
        key: forward.0,
        reply: None,
        seen: forward.1.seen,
    };
    assert_eq!(candidates(&[forward, reply], NOW), [expected]);
}

#[test]
fn a_record_written_after_the_clock_was_read_is_of_this_moment() {
    let mut records = flow(Proto::UDP, 40_000, tcp::NONE, 0, 5_000);
    records[0].1.seen = NOW + 3;
    assert!(!goes(&records));
}

#[test]
fn each_of_many_flows_is_judged_by_itself() {
    let records: Vec<_> = (1..=1000)
        .flat_map(|port| {
            let idle = if port % 2 == 0 { 500 } else { 50 };
            flow(Proto::UDP, port, tcp::NONE, idle, 5_000)
        })
        .collect();
    let found = candidates(&records, NOW);
    assert_eq!(found.len(), 500);
    assert!(
        found
            .iter()
            .all(|it| it.key.src_port.get() % 2 == 0 && it.reply.is_some())
    );
}
