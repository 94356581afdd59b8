mod guard;
mod membership;

use std::sync::Arc;

use tidegate_abi::{Backend, Frontend, FrontendKey, Pool, backend, frontend};

use super::{
    testing::{Kernel, assert_holds, desired4, dialled, key, port, target},
    *,
};
use crate::desired::DesiredPort;

const ROOM: Limits = Limits {
    frontends: 100,
    backends: 100,
    slots: 100,
    source_ranges: 100,
};

fn empty() -> Planner {
    Planner::adopt(Image::default(), ROOM)
}

fn serving(half: &FamilyImage<Ip4>) -> Vec<u32> {
    let backends = half.backends.iter().zip(0..);
    backends
        .filter(|(it, _)| it.flags & backend::flags::SERVING != 0)
        .map(|(_, id)| id)
        .collect()
}

fn four(name: &str, host: u8, targets: &[u8]) -> DesiredPort<Ip4> {
    port(name, host, targets)
}

#[test]
fn writes_come_in_the_order_that_keeps_traffic_whole() {
    let mut planner = empty();
    let first = planner.plan(&desired4(vec![four("a", 1, &[1, 2]), four("b", 2, &[3])]));
    let second = planner.plan(&desired4(vec![four("a", 3, &[2, 4])]));
    let names = |plan: &Plan| -> Vec<String> {
        let name = |write: &Write| {
            format!("{write:?}")
                .split(['(', ' '])
                .next()
                .unwrap()
                .to_owned()
        };
        plan.writes.iter().map(name).collect()
    };
    // Backend 3 is local, so table and local table of b are one.
    assert_eq!(
        names(&first),
        [
            "Backend4",
            "Backend4",
            "Backend4",
            "Slots",
            "Slots",
            "Frontend4",
            "Frontend4"
        ]
    );
    assert_eq!(
        names(&second),
        [
            "Backend4",
            // Two that go: affinity leads nobody there any more.
            "Backend4",
            "Backend4",
            "Slots",
            "Frontend4",
            "RemoveFrontend4",
            "RemoveFrontend4",
            "Backend4",
            "Backend4"
        ]
    );
}

#[test]
fn a_table_that_does_not_change_is_not_written_again() {
    let mut planner = empty();
    let _first = planner.plan(&desired4(vec![four("a", 1, &[1, 2])]));
    let more = DesiredPort {
        affinity_seconds: 60,
        ..four("a", 1, &[2, 1])
    };
    let plan = planner.plan(&desired4(vec![more]));
    assert!(
        matches!(plan.writes[..], [Write::Frontend4(..)]),
        "{:?}",
        plan.writes
    );
}

#[test]
fn rule_2_4_1_a_service_port_without_endpoints_has_empty_tables() {
    let mut planner = empty();
    let plan = planner.plan(&desired4(vec![four("a", 1, &[])]));
    let [Write::Frontend4(_, value)] = plan.writes[..] else {
        panic!("{:?}", plan.writes)
    };
    assert_eq!(
        (value.cluster, value.local),
        (Pool::default(), Pool::default())
    );
}

#[test]
fn rule_2_4_9_a_cluster_ip_has_a_marker() {
    let mut planner = empty();
    let mut desired = desired4(vec![]);
    let marker = frontend::flags::INTERNAL | frontend::flags::ADDRESS_ONLY;
    desired.v4.markers = vec![(Ip4::new([10, 96, 0, 1]), marker)];
    let plan = planner.plan(&desired);
    let [Write::Frontend4(key, value)] = plan.writes[..] else {
        panic!("{:?}", plan.writes)
    };
    assert_eq!(key, FrontendKey::of_address(Ip4::new([10, 96, 0, 1])));
    assert_eq!((value.flags, value.service), (marker, 0));
}

#[test]
fn rule_5_2_2_a_pod_that_leaves_one_service_port_is_stale_there_and_serves_the_other() {
    let mut planner = empty();
    let both = desired4(vec![four("a", 1, &[1]), four("b", 2, &[1])]);
    let _first = planner.plan(&both);
    assert_eq!(serving(&planner.image().v4), [1, 2]);
    let _second = planner.plan(&desired4(vec![four("b", 2, &[1])]));
    assert_eq!(serving(&planner.image().v4), [2]);
    let _third = planner.plan(&desired4(vec![]));
    assert_eq!(serving(&planner.image().v4), [0; 0]);
    assert_eq!(planner.image().v4.backends[1].generation, 2);
}

#[test]
fn an_id_given_out_again_has_a_generation_of_its_own() {
    let mut planner = Planner::adopt(
        Image::default(),
        Limits {
            backends: 2,
            ..ROOM
        },
    );
    let generations: Vec<u32> = [1, 2, 1]
        .into_iter()
        .map(|host| {
            let full = planner.plan(&desired4(vec![four("a", 1, &[host])]));
            assert_eq!(full.problems, []);
            let generation = planner.image().v4.backends[1].generation;
            // Gone, and at rest for one whole plan.
            let _empty = planner.plan(&desired4(vec![]));
            let _rest = planner.plan(&desired4(vec![]));
            generation
        })
        .collect();
    assert_eq!(generations, [1, 3, 5]);
}

#[test]
fn an_id_that_was_let_go_is_given_out_by_the_plan_after_the_next() {
    let mut planner = Planner::adopt(
        Image::default(),
        Limits {
            backends: 2,
            ..ROOM
        },
    );
    let other = desired4(vec![four("b", 2, &[2])]);
    let _first = planner.plan(&desired4(vec![four("a", 1, &[1])]));
    assert_eq!(planner.plan(&other).problems.len(), 1);
    assert_eq!(planner.plan(&other).problems.len(), 1);
    assert_eq!(planner.plan(&other).problems.len(), 0);
}

#[test]
fn an_endpoint_that_moves_to_this_node_keeps_its_flows() {
    let mut planner = empty();
    let mut here = four("a", 1, &[1]);
    let _first = planner.plan(&desired4(vec![here.clone()]));
    here.cluster[0].local = true;
    here.local = here.cluster.clone();
    let plan = planner.plan(&desired4(vec![here]));
    let Write::Backend4(
        _,
        Backend {
            flags, generation, ..
        },
    ) = plan.writes[0]
    else {
        panic!("{:?}", plan.writes)
    };
    let everywhere = backend::flags::IN_CLUSTER | backend::flags::IN_LOCAL;
    let here = backend::flags::SERVING | backend::flags::LOCAL;
    assert_eq!((flags, generation), (here | everywhere, 1));
}

#[test]
fn the_arrays_are_as_full_as_what_was_given_out_and_rests() {
    let limits = Limits {
        slots: 10,
        backends: 8,
        ..ROOM
    };
    let mut planner = Planner::adopt(Image::default(), limits);
    let used = |planner: &Planner| planner.map_use().map(|(_, used, _)| used);
    assert_eq!(used(&planner), [0, 0, 0]);
    let _first = planner.plan(&desired4(vec![four("a", 1, &[1, 2])]));
    let [ids4, ids6, slots] = used(&planner);
    assert_eq!((ids4, ids6), (2, 0));
    assert!(slots >= 2, "{slots}");
    assert_eq!(
        planner.map_use().map(|(name, _, room)| (name, room)),
        [("backends4", 8), ("backends6", 8), ("slots", 10)]
    );
    let adopted = Planner::adopt(planner.image().clone(), limits);
    assert_eq!(used(&adopted), [2, 0, slots]);
    for _ in 0..4 {
        let _empty = planner.plan(&Desired::default());
    }
    assert_eq!(used(&planner), [0, 0, 0]);
}

#[test]
fn what_does_not_fit_is_named_and_the_rest_works() {
    for (limits, map) in [
        (Limits { slots: 4, ..ROOM }, "slots"),
        (
            Limits {
                backends: 4,
                ..ROOM
            },
            "backends4",
        ),
        (
            Limits {
                frontends: 1,
                ..ROOM
            },
            "frontends4",
        ),
    ] {
        let mut planner = Planner::adopt(Image::default(), limits);
        let [a, b] = [four("a", 1, &[1, 2]), four("b", 2, &[4, 5, 7])];
        let plan = planner.plan(&desired4(vec![a.clone(), b]));
        let [problem] = &plan.problems[..] else {
            panic!("{map}: {:?}", plan.problems)
        };
        let line = problem.to_string();
        assert!(
            line.starts_with("Service default/b: no room for the "),
            "{line}"
        );
        assert!(
            line.ends_with(&format!("in map {map}; it is not programmed")),
            "{line}"
        );
        assert_holds(planner.image(), &desired4(vec![a]), &planner);
    }
}

#[test]
fn a_service_port_that_no_longer_fits_keeps_its_last_state() {
    let mut planner = Planner::adopt(Image::default(), Limits { slots: 4, ..ROOM });
    let before = desired4(vec![four("a", 1, &[1, 2])]);
    let _first = planner.plan(&before);
    let plan = planner.plan(&desired4(vec![four("a", 1, &[1, 2, 4, 5, 7])]));
    assert_eq!((plan.writes.len(), plan.problems.len()), (0, 1));
    assert!(
        plan.problems[0]
            .to_string()
            .ends_with("its last state stays")
    );
    assert_holds(planner.image(), &before, &planner);
}

#[test]
fn rule_5_1_15_ids_survive_a_restart_but_not_if_two_service_ports_share_one() {
    let both = desired4(vec![four("a", 1, &[1]), four("b", 2, &[2])]);
    let mut planner = empty();
    let _first = planner.plan(&both);
    let ids =
        |planner: &Planner| ["a", "b"].map(|name| planner.service_id(&key::<Ip4>(name)).unwrap());
    let before = ids(&planner);

    let mut adopted = Planner::adopt(planner.image().clone(), ROOM);
    assert_eq!(adopted.plan(&both).writes, []);
    assert_eq!(ids(&adopted), before);

    let mut image = planner.image().clone();
    let shared = image.v4.frontends[&dialled(1)];
    image.v4.frontends.insert(dialled(2), shared);
    let mut kernel = Kernel::holding(image.clone());
    let mut adopted = Planner::adopt(image, ROOM);
    adopted
        .plan(&both)
        .writes
        .iter()
        .for_each(|write| kernel.apply(write));
    assert_holds(&kernel.image, &both, &adopted);
    assert!(!ids(&adopted).contains(&before[0]));
}

#[test]
fn an_id_shared_by_both_families_is_trusted_to_neither() {
    let mut image = Image::default();
    let value = Frontend {
        service: 7,
        ..Frontend::default()
    };
    image.v4.frontends.insert(dialled(1), value);
    image.v6.frontends.insert(dialled(1), value);
    let mut desired = desired4(vec![four("a", 1, &[])]);
    desired.v6.ports = vec![Arc::new(port("a", 1, &[]))];
    let mut planner = Planner::adopt(image, ROOM);
    let _plan = planner.plan(&desired);
    let ids = [
        planner.service_id(&key::<Ip4>("a")),
        planner.service_id(&key::<Ip6>("a")),
    ];
    assert!(ids[0] != ids[1] && !ids.contains(&Some(7)), "{ids:?}");
}

#[test]
fn names_of_ids_are_known_and_a_backends_generation_can_be_grown() {
    let mut planner = empty();
    let _first = planner.plan(&desired4(vec![four("a", 1, &[1])]));
    let service = planner.service_id(&key::<Ip4>("a")).unwrap();
    assert_eq!(
        planner.service_name(service).unwrap().to_string(),
        "default/a TCP IPv4"
    );
    let ip = target::<Ip4>(1).addr.to_ip();
    assert_eq!(
        planner.backend_key(Family::V4, BackendId(1)),
        Some((ip, 8080))
    );
    assert_eq!(planner.backend_key(Family::V6, BackendId(1)), None);
    let writes = planner.bump_backends_at(ip);
    let [Write::Backend4(BackendId(1), backend)] = writes[..] else {
        panic!("{writes:?}")
    };
    assert_eq!(
        (backend.generation, backend.flags),
        (2, backend::flags::SERVING | backend::flags::IN_CLUSTER)
    );
    assert_eq!(planner.bump_backends_at("10.1.1.1".parse().unwrap()), []);
    assert_eq!(planner.plan(&desired4(vec![four("a", 1, &[1])])).writes, []);
}
