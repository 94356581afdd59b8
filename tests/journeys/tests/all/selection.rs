//! New flows spread evenly. On the host only: it is arithmetic, and needs 10,000 flows a case.

use std::collections::HashMap;
use std::net::SocketAddr;

use tidegate_abi::{Proto, Reason, frontend::flags::NODE_PORT};
use tidegate_journeys::{
    Bench, Case, Out, bench, case,
    machine::Machine as _,
    on_host::HostMachine,
    textbook::{self, Places, UPLINK},
};

const FLOWS: u16 = 10_000;
/// Of each backend's fair share.
const TOLERANCE: f64 = 0.05;

/// How many flows each backend gets when one client dials from ascending ports, `step` apart.
fn spread(case: &Case, first: u16, step: u16) -> HashMap<SocketAddr, u32> {
    let (roles, places) = (case.places.roles, case.places);
    let backends = [
        roles.backend,
        places.sibling,
        roles.remote_backend,
        places.narrow_backend,
    ];
    let mut scene = textbook::scene();
    (scene.settings.masquerade_min, scene.settings.masquerade_max) = (1, 65_535);
    let ids = backends.map(|at| scene.backend(at));
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &ids);
    let mut machine = HostMachine::new();
    machine.start(&scene);
    for number in 0..FLOWS {
        let port = first.wrapping_add(number.wrapping_mul(step));
        let client = SocketAddr::new(roles.client.ip(), port);
        let exit = bench::on(&mut machine, case).uplink(&case.first(client, roles.node_port));
        assert!(
            matches!(exit.reason, Some(Reason::NewFlow | Reason::KnownFlow)),
            "{exit:?}"
        );
    }
    let mut shares = HashMap::from(backends.map(|at| (at, 0)));
    for record in machine.records() {
        if let Some(share) = shares.get_mut(&record.out.dst) {
            *share += 1;
        }
    }
    shares
}

#[test]
fn ten_thousand_flows_from_ascending_ports_spread_within_five_percent() {
    for case in case::all() {
        // Linux hands out every other port: it keeps the odd ones for bind.
        for (first, step) in [(40_000, 1), (1_024, 1), (32_768, 2), (32_769, 2)] {
            let shares = spread(&case, first, step);
            let fair = f64::from(FLOWS) / shares.len() as f64;
            for (backend, share) in &shares {
                let off = (f64::from(*share) - fair).abs() / fair;
                assert!(
                    off <= TOLERANCE,
                    "{case}, from {first} by {step}, {backend}: {shares:?}"
                );
            }
        }
    }
}

#[test]
fn rule_3_2_2_masquerade_ports_start_all_over_the_range() {
    let case = Case {
        places: Places::v4(),
        proto: Proto::UDP,
        xdp: false,
    };
    let roles = case.places.roles;
    let mut machine = HostMachine::new();
    let mut bench = bench::on(&mut machine, &case);
    bench.serve(&case, roles.node_port, NODE_PORT, &[roles.remote_backend]);
    let mut tenths = [0u32; 10];
    for port in 40_000..40_500 {
        let client = SocketAddr::new(roles.client.ip(), port);
        let exit = bench.uplink(&case.first(client, roles.node_port));
        exit.is_translated(
            Reason::NewFlow,
            exit.src(),
            roles.remote_backend,
            Out::Link(UPLINK),
        );
        tenths[usize::from(exit.src().port() - textbook::MASQUERADE.0) / 100] += 1;
    }
    assert!(
        tenths.iter().all(|count| (25..=75).contains(count)),
        "{tenths:?}"
    );
}

#[test]
fn a_nodes_choice_depends_on_nothing_but_the_tuple() {
    let case = Case {
        places: Places::v6(),
        proto: Proto::TCP,
        xdp: false,
    };
    let choose = || {
        let mut machine = HostMachine::new();
        let mut bench: Bench<'_> = bench::on(&mut machine, &case);
        let roles = case.places.roles;
        bench.serve(
            &case,
            roles.node_port,
            NODE_PORT,
            &[roles.backend, case.places.sibling],
        );
        let exit = bench.uplink(&case.first(roles.client, roles.node_port));
        exit.frame
    };
    assert_eq!(choose(), choose());
}
