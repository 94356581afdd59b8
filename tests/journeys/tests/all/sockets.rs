//! What the socket hook decides for processes of this host. On the host only: a test run makes no calls.

use std::net::SocketAddr;

use tidegate_abi::{
    Ip4, Ip6, Port, Reason,
    frontend::flags::{INTERNAL, LOAD_BALANCER, LOCAL_ONLY, NODE_PORT, SOURCE_RANGES},
};
use tidegate_datapath::socket::{Call, dial};
use tidegate_journeys::{
    Case, Scene, case, host::Family, machine::Machine as _, on_host::HostMachine, textbook,
};

const SERVICE: u32 = 42;

/// A Service with a clusterIP, a NodePort and a load-balancer address, four backends behind it.
fn scene(case: &Case) -> Scene {
    let (roles, places) = (case.places.roles, case.places);
    let mut scene = textbook::scene();
    let backends = [
        roles.backend,
        places.sibling,
        roles.remote_backend,
        places.narrow_backend,
    ];
    let ids = backends.map(|at| scene.backend(at));
    for (at, flags) in [
        (roles.service, INTERNAL),
        (roles.node_port, NODE_PORT),
        (places.elsewhere, LOAD_BALANCER | SOURCE_RANGES),
    ] {
        scene.frontend(at, case.proto, flags, &ids);
        scene.frontend_mut(at, case.proto).service = SERVICE;
        scene.frontend_mut(at, case.proto).affinity_seconds = 86_400;
    }
    scene
}

/// Which backend a process's call gets.
fn connect(
    machine: &HostMachine,
    case: &Case,
    cookie: u64,
    to: SocketAddr,
) -> Result<SocketAddr, Reason> {
    match to {
        SocketAddr::V4(_) => call::<Ip4>(machine, case, cookie, to),
        SocketAddr::V6(_) => call::<Ip6>(machine, case, cookie, to),
    }
}

fn call<A: Family>(
    machine: &HostMachine,
    case: &Case,
    cookie: u64,
    to: SocketAddr,
) -> Result<SocketAddr, Reason> {
    let call = Call {
        addr: A::from_ip(to.ip()).expect("an address of the family"),
        port: Port::new(to.port()),
        proto: case.proto,
        cookie,
        now_ns: machine.now_ns(),
    };
    let choice = dial(&machine.0.tables, &call)?;
    let backend = choice.backend;
    Ok(SocketAddr::new(backend.addr.to_ip(), backend.port.get()))
}

fn cases() -> Vec<Case> {
    let both = [case::tcp(), case::udp()].concat();
    both.into_iter().filter(|case| !case.xdp).collect()
}

/// The node's own address with all of its bits.
fn node_only(case: &Case) -> (u32, std::net::IpAddr, u8) {
    let node = case.places.roles.node_port.ip();
    (SERVICE, node, if node.is_ipv4() { 32 } else { 128 })
}

#[test]
fn rule_3_6_4_the_host_is_admitted_by_its_own_address() {
    for case in cases() {
        let balancer = case.places.elsewhere;
        let mut machine = HostMachine::new();
        machine.start(&scene(&case));
        let refused = connect(&machine, &case, 1, balancer);
        assert_eq!(refused, Err(Reason::SourceRange), "{case}");
        let mut admitting = scene(&case);
        admitting.source_ranges.push(node_only(&case));
        machine.start(&admitting);
        assert!(connect(&machine, &case, 1, balancer).is_ok(), "{case}");
    }
}

#[test]
fn rule_3_6_1_the_hosts_calls_to_other_frontends_are_not_guarded() {
    for case in cases() {
        let mut machine = HostMachine::new();
        machine.start(&scene(&case));
        for dialled in [case.places.roles.service, case.places.roles.node_port] {
            assert!(connect(&machine, &case, 1, dialled).is_ok(), "{case}");
        }
    }
}

#[test]
fn rule_4_3_all_sockets_and_frontends_share_the_hosts_record() {
    for case in cases() {
        let roles = case.places.roles;
        let mut admitting = scene(&case);
        admitting.source_ranges.push(node_only(&case));
        let mut machine = HostMachine::new();
        machine.start(&admitting);
        let first = connect(&machine, &case, 1, roles.service).expect("a backend");
        for cookie in 2..18 {
            for dialled in [roles.service, roles.node_port, case.places.elsewhere] {
                let again = connect(&machine, &case, cookie, dialled);
                assert_eq!(again, Ok(first), "{case}");
            }
        }
        let records = machine.affinities();
        let clients: Vec<_> = records.iter().map(|record| record.client).collect();
        assert_eq!(clients, [roles.node_port.ip()], "{case}");
    }
}

#[test]
fn rule_4_22_a_call_that_is_not_admitted_makes_no_record() {
    for case in cases() {
        let mut machine = HostMachine::new();
        machine.start(&scene(&case));
        let refused = connect(&machine, &case, 1, case.places.elsewhere);
        assert_eq!(refused, Err(Reason::SourceRange), "{case}");
        assert_eq!(machine.affinities(), [], "{case}");
    }
}

#[test]
fn rule_2_3_5_the_host_is_not_bound_by_the_external_policy() {
    for case in cases() {
        let roles = case.places.roles;
        let mut scene = textbook::scene();
        let remote = scene.backend(roles.remote_backend);
        scene.frontend(
            roles.node_port,
            case.proto,
            NODE_PORT | LOCAL_ONLY,
            &[remote],
        );
        scene.frontend(roles.service, case.proto, INTERNAL | LOCAL_ONLY, &[remote]);
        let mut machine = HostMachine::new();
        machine.start(&scene);
        let external = connect(&machine, &case, 1, roles.node_port);
        assert_eq!(external, Ok(roles.remote_backend), "{case}");
        let internal = connect(&machine, &case, 1, roles.service);
        assert_eq!(internal, Err(Reason::NoLocalEndpoint), "{case}");
    }
}

#[test]
fn without_affinity_sockets_spread() {
    for case in cases() {
        let roles = case.places.roles;
        let mut plain = scene(&case);
        plain
            .frontend_mut(roles.service, case.proto)
            .affinity_seconds = 0;
        let mut machine = HostMachine::new();
        machine.start(&plain);
        let all: std::collections::HashSet<_> = (0..64)
            .filter_map(|cookie| connect(&machine, &case, cookie, roles.service).ok())
            .collect();
        assert_eq!(all.len(), 4, "{case}");
        assert_eq!(machine.affinities(), [], "{case}");
    }
}
