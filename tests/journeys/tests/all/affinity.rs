//! Session affinity: a client comes back to the backend that it had last.

mod pools;

use std::net::{IpAddr, SocketAddr};

use tidegate_abi::{
    BackendId, Reason,
    frontend::flags::{INTERNAL, LOAD_BALANCER, NODE_PORT, SOURCE_RANGES},
};
use tidegate_journeys::{
    Bench, Case, Scene, journeys,
    sticky::Sticky,
    textbook::{self, POD},
};

journeys! {
    all: rule_4_2_all_flows_of_a_client_go_to_one_backend_whatever_their_port,
        rule_4_2_masqueraded_clients_stick_by_their_own_address,
        rule_4_3_all_frontends_of_a_service_port_share_the_record,
        rule_4_4_and_4_5_service_ports_have_records_of_their_own,
        rule_4_6_and_4_18_a_new_flow_follows_the_record_and_restarts_its_time,
        rule_4_7_packets_of_a_flow_do_not_restart_the_time,
        rule_4_8_a_record_that_has_run_out_is_made_anew_and_older_flows_stay,
        rule_4_15_no_record_outlives_the_longer_of_two_times,
        rule_4_22_a_client_that_is_not_admitted_makes_and_refreshes_no_record,
        rule_4_24_a_new_service_does_not_inherit_records,
        rule_2_4_1_a_refused_client_makes_no_record;
}

/// The service port.
const SERVICE: u32 = 77;
/// Long enough for any test.
const DAY: u32 = 86_400;
const SECOND: u64 = 1_000_000_000;

/// A load-balancer address of the Service.
fn balancer(case: &Case) -> SocketAddr {
    case.places.elsewhere
}

fn backends(case: &Case) -> [SocketAddr; 4] {
    let roles = case.places.roles;
    let places = case.places;
    [
        roles.backend,
        places.sibling,
        roles.remote_backend,
        places.narrow_backend,
    ]
}

/// One service port with its three kinds of frontends, four backends behind it.
fn scene(case: &Case, seconds: u32) -> (Scene, [BackendId; 4]) {
    let mut scene = textbook::scene();
    let ids = backends(case).map(|at| scene.backend(at));
    let roles = case.places.roles;
    for (at, flags) in [
        (roles.node_port, NODE_PORT),
        (balancer(case), LOAD_BALANCER),
        (roles.service, INTERNAL),
    ] {
        scene.frontend(at, case.proto, flags, &ids);
        belongs(&mut scene, case, at, SERVICE, seconds);
    }
    (scene, ids)
}

/// Gives a frontend to a service port.
fn belongs(scene: &mut Scene, case: &Case, at: SocketAddr, service: u32, seconds: u32) {
    let frontend = scene.frontend_mut(at, case.proto);
    (frontend.service, frontend.affinity_seconds) = (service, seconds);
}

/// The backend that a new flow gets.
#[track_caller]
fn dial(bench: &mut Bench<'_>, case: &Case, client: SocketAddr, dialled: SocketAddr) -> SocketAddr {
    let exit = bench.uplink(&case.first(client, dialled));
    assert!(
        matches!(exit.reason, Some(Reason::NewFlow | Reason::KnownFlow)),
        "{exit:?}"
    );
    exit.dst()
}

fn from(client: SocketAddr, port: u16) -> SocketAddr {
    SocketAddr::new(client.ip(), port)
}

/// A backend that this client's flow would not get without affinity.
fn another(bench: &mut Bench<'_>, case: &Case, client: SocketAddr) -> usize {
    bench.start(&scene(case, 0).0);
    let usual = dial(bench, case, client, case.places.roles.node_port);
    let all = backends(case);
    let other = all.iter().position(|at| *at != usual);
    other.expect("there are four")
}

/// Makes the client one of the backend with this number, `ago` nanoseconds before now.
fn stick(bench: &mut Bench<'_>, client: IpAddr, id: BackendId, generation: u32, ago: u64) {
    let opened_ns = bench.machine.now_ns().saturating_sub(ago);
    bench.machine.put_affinity(&Sticky {
        service: SERVICE,
        client,
        opened_ns,
        backend: id.0,
        generation,
    });
}

#[track_caller]
fn record(bench: &Bench<'_>, client: IpAddr) -> Sticky {
    let all = bench.machine.affinities();
    let found = all.iter().find(|record| record.client == client);
    *found.unwrap_or_else(|| panic!("{}: no record of {client} in {all:?}", bench.machine.name()))
}

fn rule_4_2_all_flows_of_a_client_go_to_one_backend_whatever_their_port(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    for (seconds, sticks) in [(DAY, true), (0, false)] {
        bench.start(&scene(case, seconds).0);
        let mut seen: Vec<_> = (40_000..40_016)
            .map(|port| dial(bench, case, from(roles.client, port), roles.node_port))
            .collect();
        seen.dedup();
        assert_eq!(seen.len() == 1, sticks, "{seen:?}");
        assert_eq!(bench.machine.affinities().len(), usize::from(sticks));
    }
}

fn rule_4_2_masqueraded_clients_stick_by_their_own_address(bench: &mut Bench<'_>, case: &Case) {
    let (roles, places) = (case.places.roles, case.places);
    let (scene, ids) = scene(case, DAY);
    bench.start(&scene);
    // Both remote: the backends see one and the same address.
    stick(bench, roles.client.ip(), ids[2], 1, 0);
    stick(bench, places.neighbour.ip(), ids[3], 1, 0);
    for port in 40_000..40_004 {
        let seen = dial(bench, case, from(roles.client, port), roles.node_port);
        assert_eq!(seen, roles.remote_backend);
        let seen = dial(bench, case, from(places.neighbour, port), roles.node_port);
        assert_eq!(seen, places.narrow_backend);
    }
    let clients: Vec<_> = bench.machine.affinities();
    assert_eq!(clients.len(), 2, "{clients:?}");
}

fn rule_4_3_all_frontends_of_a_service_port_share_the_record(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let pod = SocketAddr::new(roles.backend.ip(), 41_000);
    for backend in 1..4 {
        let (scene, ids) = scene(case, DAY);
        bench.start(&scene);
        stick(bench, roles.client.ip(), ids[backend], 1, 0);
        stick(bench, pod.ip(), ids[backend], 1, 0);
        for dialled in [roles.node_port, balancer(case)] {
            let seen = dial(bench, case, roles.client, dialled);
            assert_eq!(seen, backends(case)[backend]);
        }
        for dialled in [roles.service, balancer(case), roles.node_port] {
            let exit = bench.pod(POD, &case.first(pod, dialled));
            assert_eq!(exit.reason, Some(Reason::NewFlow));
            assert_eq!(exit.dst(), backends(case)[backend]);
        }
        assert_eq!(bench.machine.affinities().len(), 2);
    }
}

fn rule_4_4_and_4_5_service_ports_have_records_of_their_own(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (mut scene, ids) = scene(case, DAY);
    let second = case.places.second_node_port;
    scene.frontend(second, case.proto, NODE_PORT, &ids);
    belongs(&mut scene, case, second, SERVICE + 1, DAY);
    bench.start(&scene);
    stick(bench, roles.client.ip(), ids[1], 1, 0);
    let opened_ns = bench.machine.now_ns();
    bench.machine.put_affinity(&Sticky {
        service: SERVICE + 1,
        client: roles.client.ip(),
        opened_ns,
        backend: ids[0].0,
        generation: 1,
    });
    for port in 40_000..40_004 {
        let client = from(roles.client, port);
        assert_eq!(
            dial(bench, case, client, roles.node_port),
            case.places.sibling
        );
        let client = from(roles.client, port + 100);
        assert_eq!(dial(bench, case, client, second), roles.backend);
    }
}

fn rule_4_6_and_4_18_a_new_flow_follows_the_record_and_restarts_its_time(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let client = case.places.roles.client;
    let chosen = another(bench, case, client);
    let (scene, ids) = scene(case, DAY);
    bench.start(&scene);
    let before = bench.machine.now_ns();
    stick(bench, client.ip(), ids[chosen], 1, 1_000 * SECOND);
    let seen = dial(bench, case, client, case.places.roles.node_port);
    assert_eq!(seen, backends(case)[chosen]);
    let record = record(bench, client.ip());
    assert!(record.opened_ns >= before, "{record:?}, not {before}");
    assert_eq!((record.backend, record.generation), (ids[chosen].0, 1));
}

fn rule_4_7_packets_of_a_flow_do_not_restart_the_time(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (scene, ids) = scene(case, DAY);
    bench.start(&scene);
    let pod = dial(bench, case, roles.client, roles.node_port);
    let id = ids[backends(case)
        .iter()
        .position(|at| *at == pod)
        .expect("one of them")];
    stick(bench, roles.client.ip(), id, 1, 5 * SECOND);
    let aged = record(bench, roles.client.ip());
    let later = case.later(roles.client, roles.node_port);
    assert_eq!(bench.uplink(&later).reason, Some(Reason::KnownFlow));
    // The same at another tick, when records are kept fresh.
    bench.age(case.tuple(roles.client, roles.node_port), 3);
    assert_eq!(bench.uplink(&later).reason, Some(Reason::KnownFlow));
    assert_eq!(record(bench, roles.client.ip()), aged);
}

fn rule_4_8_a_record_that_has_run_out_is_made_anew_and_older_flows_stay(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (first, second) = (from(roles.client, 40_100), roles.client);
    let chosen = another(bench, case, second);
    let (scene, ids) = scene(case, 2);
    // A record of two seconds may be too old already on a machine that is busy.
    let follows = |bench: &mut Bench<'_>| {
        bench.start(&scene);
        stick(bench, first.ip(), ids[chosen], 1, 0);
        dial(bench, case, first, roles.node_port) == backends(case)[chosen]
    };
    assert!((0..50).any(|_| follows(bench)), "never in two seconds");
    let before = bench.machine.now_ns();
    stick(bench, first.ip(), ids[chosen], 1, 3 * SECOND);
    let seen = dial(bench, case, second, roles.node_port);
    assert_ne!(seen, backends(case)[chosen]);
    let fresh = record(bench, first.ip());
    assert!(fresh.opened_ns >= before);
    assert_eq!(backends(case)[fresh.backend as usize - 1], seen);
    let exit = bench.uplink(&case.later(first, roles.node_port));
    assert_eq!(exit.dst(), backends(case)[chosen], "the older flow");
}

fn rule_4_15_no_record_outlives_the_longer_of_two_times(bench: &mut Bench<'_>, case: &Case) {
    let client = case.places.roles.client;
    let chosen = another(bench, case, client);
    for (old, new) in [(2, 1), (1, 2)] {
        let (before, ids) = scene(case, old);
        bench.start(&before);
        stick(bench, client.ip(), ids[chosen], 1, 3 * SECOND);
        bench.machine.change(&scene(case, new).0);
        let seen = dial(bench, case, client, case.places.roles.node_port);
        assert_ne!(seen, backends(case)[chosen]);
    }
}

fn rule_4_22_a_client_that_is_not_admitted_makes_and_refreshes_no_record(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let client = case.places.roles.client;
    let (mut scene, ids) = scene(case, DAY);
    scene.frontend_mut(balancer(case), case.proto).flags |= SOURCE_RANGES;
    bench.start(&scene);
    let sent = case.first(client, balancer(case));
    bench.uplink(&sent).is_dropped(Reason::SourceRange);
    assert_eq!(bench.machine.affinities(), []);
    stick(bench, client.ip(), ids[1], 1, 5 * SECOND);
    let aged = record(bench, client.ip());
    bench.uplink(&sent).is_dropped(Reason::SourceRange);
    assert_eq!(bench.machine.affinities(), [aged]);
}

fn rule_4_24_a_new_service_does_not_inherit_records(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let chosen = another(bench, case, roles.client);
    // The same address, the same backends, another service port.
    let (mut scene, ids) = scene(case, DAY);
    belongs(&mut scene, case, roles.node_port, SERVICE + 1, DAY);
    bench.start(&scene);
    stick(bench, roles.client.ip(), ids[chosen], 1, 0);
    let seen = dial(bench, case, roles.client, roles.node_port);
    assert_ne!(seen, backends(case)[chosen]);
    let records = bench.machine.affinities();
    let services: Vec<_> = records.iter().map(|record| record.service).collect();
    assert!(
        services.len() == 2 && services.contains(&(SERVICE + 1)),
        "{services:?}"
    );
}

fn rule_2_4_1_a_refused_client_makes_no_record(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &[]);
    belongs(&mut scene, case, roles.node_port, SERVICE, DAY);
    bench.start(&scene);
    let exit = bench.uplink(&case.first(roles.client, roles.node_port));
    assert_eq!(exit.reason, Some(Reason::NoEndpoints));
    assert_eq!(bench.machine.affinities(), []);
}
