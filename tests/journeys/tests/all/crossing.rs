//! A pod that talks to a backend directly and through a Service, from one port (trap T10): the backend could
//! not tell the two apart, and we could not tell its replies.

use std::net::SocketAddr;

use tidegate_abi::{Reason, frontend::flags::INTERNAL};
use tidegate_frames::{
    Frame,
    frame::tcp::{ACK, SYN},
};
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    textbook::{MASQUERADE, POD, UPLINK},
};

journeys! {
    all: trap_t10_a_direct_flow_beside_one_through_a_service_gets_another_port,
        trap_t10_after_the_flow_has_ended_a_direct_one_keeps_its_port,
        rule_3_3_5_a_pod_that_dials_itself_directly_is_left_alone;
    tcp: trap_t10_a_direct_connection_that_was_there_first_goes_on;
}

fn caller(case: &Case) -> SocketAddr {
    SocketAddr::new(case.places.roles.backend.ip(), 40_000)
}

fn opened(bench: &mut Bench<'_>, case: &Case) -> SocketAddr {
    let roles = case.places.roles;
    let pod = caller(case);
    bench.serve(case, roles.service, INTERNAL, &[roles.remote_backend]);
    let exit = bench.pod(POD, &case.first(pod, roles.service));
    exit.is_translated(
        Reason::NewFlow,
        pod,
        roles.remote_backend,
        Out::Link(UPLINK),
    );
    pod
}

fn trap_t10_a_direct_flow_beside_one_through_a_service_gets_another_port(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let pod = opened(bench, case);
    bench.uplink(&case.reply(roles.remote_backend, pod));

    let exit = bench.pod(POD, &case.first(pod, roles.remote_backend));
    assert_eq!(exit.reason, Some(Reason::NewFlow));
    let direct = bench.record(case.tuple(pod, roles.remote_backend)).out.src;
    assert_eq!(direct.ip(), pod.ip());
    assert!((MASQUERADE.0..=MASQUERADE.1).contains(&direct.port()));
    exit.is_translated(
        Reason::NewFlow,
        direct,
        roles.remote_backend,
        Out::Link(UPLINK),
    );

    // Each reply finds its own: the direct one from the backend, the other from the Service.
    let exit = bench.uplink(&case.reply(roles.remote_backend, direct));
    exit.is_translated(Reason::KnownReply, roles.remote_backend, pod, Out::Pod(POD));
    let exit = bench.uplink(&case.later(roles.remote_backend, pod));
    exit.is_translated(Reason::KnownReply, roles.service, pod, Out::Pod(POD));
    let exit = bench.pod(POD, &case.later(pod, roles.remote_backend));
    exit.is_translated(
        Reason::KnownFlow,
        direct,
        roles.remote_backend,
        Out::Link(UPLINK),
    );
}

fn trap_t10_after_the_flow_has_ended_a_direct_one_keeps_its_port(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let pod = opened(bench, case);
    let reply = case.tuple(roles.remote_backend, pod);
    bench.age(reply, 200);
    let exit = bench.pod(POD, &case.first(pod, roles.remote_backend));
    exit.is_passed(Reason::NotService);
}

fn trap_t10_a_direct_connection_that_was_there_first_goes_on(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let pod = opened(bench, case);
    let segment = |src, dst, flags| Frame::tcp(src, dst).flags(flags).build();
    // The backend takes the SYN for one on its direct connection (RFC 5961), and goes on with that.
    for _ in 0..2 {
        let exit = bench.uplink(&segment(roles.remote_backend, pod, ACK));
        exit.is_passed(Reason::NotService);
    }
    let exit = bench.pod(POD, &segment(pod, roles.remote_backend, ACK));
    exit.is_passed(Reason::NotService);
    // A router on its way has something to say, which is for the direct connection (rule 5.5.5).
    let sent = segment(pod, roles.remote_backend, ACK);
    let router = SocketAddr::new(case.places.unowned.ip(), 0);
    let error = Frame::too_big(router, pod, 1400).quoting(&sent[14..], 512);
    bench.uplink(&error.build()).is_passed(Reason::NotTransport);
    // The client tries again, and both live.
    let exit = bench.pod(POD, &segment(pod, roles.service, SYN));
    let other = bench.record(case.tuple(pod, roles.service)).out.src;
    assert_ne!(other.port(), pod.port());
    exit.is_translated(
        Reason::NewFlow,
        other,
        roles.remote_backend,
        Out::Link(UPLINK),
    );
    let exit = bench.uplink(&segment(roles.remote_backend, other, SYN | ACK));
    exit.is_translated(Reason::KnownReply, roles.service, pod, Out::Pod(POD));
    let exit = bench.uplink(&segment(roles.remote_backend, pod, ACK));
    exit.is_passed(Reason::NotService);
}

fn rule_3_3_5_a_pod_that_dials_itself_directly_is_left_alone(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let pod = caller(case);
    bench.serve(case, roles.service, INTERNAL, &[roles.backend]);
    bench.pod(POD, &case.first(pod, roles.service));
    let exit = bench.pod(POD, &case.first(pod, roles.backend));
    exit.is_passed(Reason::NotService);
}
