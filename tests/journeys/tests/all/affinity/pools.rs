//! What a record is worth when the pool has changed.

use std::net::SocketAddr;

use tidegate_abi::{
    backend,
    frontend::flags::{LOCAL_ONLY, NODE_PORT},
};
use tidegate_journeys::{Bench, Case, journeys, textbook::POD};

use super::{DAY, SERVICE, another, backends, balancer, belongs, dial, from, record, scene, stick};

journeys! {
    all: rule_4_9_a_record_is_followed_only_inside_the_pool_of_the_policy,
        rule_4_10_the_newest_record_is_the_only_one,
        rule_4_11_a_backend_that_went_away_is_replaced_at_once,
        rule_4_12_a_backend_that_came_back_is_another_one,
        rule_4_13_a_record_of_a_terminating_backend_holds_while_it_is_in_the_pool;
}

fn rule_4_9_a_record_is_followed_only_inside_the_pool_of_the_policy(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let pod = SocketAddr::new(roles.backend.ip(), 41_000);
    let (mut scene, ids) = scene(case, DAY);
    let remote = ids[2];
    scene.frontend_mut(balancer(case), case.proto).flags |= LOCAL_ONLY;
    bench.start(&scene);
    stick(bench, roles.client.ip(), remote, 1, 0);
    stick(bench, pod.ip(), remote, 1, 0);
    let seen = dial(bench, case, roles.client, balancer(case));
    assert!(
        [roles.backend, case.places.sibling].contains(&seen),
        "{seen}"
    );
    // Policy Local does not bind a pod, and its record is good (rule 2.3.4).
    let exit = bench.pod(POD, &case.first(pod, balancer(case)));
    assert_eq!(exit.dst(), roles.remote_backend);
    // The record is the local one's now, which the other frontends follow as well.
    let other = from(roles.client, 40_001);
    assert_eq!(dial(bench, case, other, roles.node_port), seen);
}

fn rule_4_10_the_newest_record_is_the_only_one(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    let (mut scene, ids) = scene(case, DAY);
    bench.start(&scene);
    stick(bench, roles.client.ip(), ids[1], 1, 0);
    scene.backend_mut(ids[1]).flags &= !backend::flags::IN_CLUSTER;
    bench.machine.change(&scene);
    let seen = dial(bench, case, roles.client, roles.node_port);
    // It is in the pool again, but the record is another's by now.
    scene.backend_mut(ids[1]).flags |= backend::flags::IN_CLUSTER;
    bench.machine.change(&scene);
    assert_ne!(seen, case.places.sibling);
    for port in 40_001..40_006 {
        let again = dial(bench, case, from(roles.client, port), roles.node_port);
        assert_eq!(again, seen);
    }
    assert_eq!(bench.machine.affinities().len(), 1);
}

fn rule_4_11_a_backend_that_went_away_is_replaced_at_once(bench: &mut Bench<'_>, case: &Case) {
    let client = case.places.roles.client;
    let chosen = another(bench, case, client);
    let (scene, ids) = scene(case, DAY);
    let gone = ids[chosen];
    // Removed altogether, or serving its flows still but in no table any more.
    for flags in [0, backend::flags::SERVING] {
        let mut scene = scene.clone();
        bench.start(&scene);
        stick(bench, client.ip(), gone, 1, 0);
        scene.backend_mut(gone).flags = flags;
        bench.machine.change(&scene);
        let seen = dial(bench, case, client, case.places.roles.node_port);
        assert_ne!(seen, backends(case)[chosen]);
        let record = record(bench, client.ip());
        assert_eq!(backends(case)[record.backend as usize - 1], seen);
    }
}

fn rule_4_12_a_backend_that_came_back_is_another_one(bench: &mut Bench<'_>, case: &Case) {
    let client = case.places.roles.client;
    let chosen = another(bench, case, client);
    let (mut scene, ids) = scene(case, DAY);
    scene.backend_mut(ids[chosen]).generation = 2;
    bench.start(&scene);
    stick(bench, client.ip(), ids[chosen], 1, 0);
    let seen = dial(bench, case, client, case.places.roles.node_port);
    assert_ne!(seen, backends(case)[chosen]);
    // From now on its records are those of the new generation.
    bench.start(&scene);
    stick(bench, client.ip(), ids[chosen], 2, 0);
    let seen = dial(bench, case, client, case.places.roles.node_port);
    assert_eq!(seen, backends(case)[chosen]);
}

fn rule_4_13_a_record_of_a_terminating_backend_holds_while_it_is_in_the_pool(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let (mut scene, ids) = scene(case, DAY);
    // Two terminating ones are all there is, so they are the pool.
    let fallback = [ids[0], ids[1]];
    scene.frontend(roles.node_port, case.proto, NODE_PORT, &fallback);
    belongs(&mut scene, case, roles.node_port, SERVICE, DAY);
    for chosen in [0, 1] {
        bench.start(&scene);
        stick(bench, roles.client.ip(), ids[chosen], 1, 0);
        let seen = dial(bench, case, roles.client, roles.node_port);
        assert_eq!(seen, backends(case)[chosen]);
        // A ready one comes, the others leave every table.
        let mut ready = scene.clone();
        for at in [roles.node_port, balancer(case), roles.service] {
            let flags = ready.frontend_mut(at, case.proto).flags;
            ready.frontend(at, case.proto, flags, &[ids[2]]);
            belongs(&mut ready, case, at, SERVICE, DAY);
        }
        bench.machine.change(&ready);
        let client = from(roles.client, 40_001);
        assert_eq!(
            dial(bench, case, client, roles.node_port),
            roles.remote_backend
        );
    }
}
