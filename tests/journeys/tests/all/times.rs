//! How long a flow may be idle, state by state: the bounds that Linux, kube-proxy and the peers leave.
//!
//! Hours cannot be waited for, and a machine may be younger than they are; what the sweep does with these
//! times is in [`crate::sweeping`].

use tidegate_datapath::{
    sctp,
    tcp::{self, flag},
};

/// A tick is 1.07 s, so that these are a little more than seconds.
fn idle_ticks(segments: &[(u8, bool)]) -> u32 {
    let state = segments
        .iter()
        .fold(tcp::OPENING, |state, &(flags, from_client)| {
            tcp::next(state, flags, from_client)
        });
    tcp::idle_ticks(state)
}

const ANSWER: (u8, bool) = (flag::SYN | flag::ACK, false);
const CLIENT: bool = true;
const BACKEND: bool = false;

#[test]
fn rule_5_7_1_a_connection_that_nobody_answers_outlives_its_first_syns() {
    // The second and third SYN come after 1 and 3 seconds, the fifth after 15; Linux waits 120 s.
    assert!((20..=120).contains(&idle_ticks(&[])));
}

#[test]
fn rule_5_7_3_a_half_closed_connection_has_an_hour_whoever_closed() {
    for from in [CLIENT, BACKEND] {
        assert!(
            idle_ticks(&[ANSWER, (flag::FIN | flag::ACK, from)]) >= 3_600,
            "{from}"
        );
    }
    let both = [ANSWER, (flag::FIN, CLIENT), (flag::FIN, BACKEND)];
    assert!((30..=120).contains(&idle_ticks(&both)));
}

#[test]
fn rule_5_7_6_a_udp_flow_has_two_minutes() {
    assert!((112..=180).contains(&tcp::idle_ticks(tcp::NONE)));
}

#[test]
fn rule_5_7_8_an_association_outlives_its_heartbeats_and_is_forgotten_soon_after_its_end() {
    let chunks = |kinds: &[(u8, bool)]| {
        let segments = kinds
            .iter()
            .map(|&(kind, from)| (sctp::as_tcp_flags(kind), from));
        idle_ticks(&segments.collect::<Vec<_>>())
    };
    let (init_ack, abort, complete) = ((2, BACKEND), (6, CLIENT), (14, CLIENT));
    // A heartbeat comes every 30 s, and Linux waits 210 s for it.
    assert!(chunks(&[init_ack]) >= 210);
    assert!(chunks(&[init_ack, abort]) <= 120);
    assert!(chunks(&[init_ack, (7, CLIENT), (8, BACKEND), complete]) <= 120);
}
