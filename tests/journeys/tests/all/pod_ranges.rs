//! `--pod-cidr`: a client whose device does not say that it is a pod, but whose address does (decision 3).

use std::net::IpAddr;

use tidegate_abi::{
    Ip4, Ip6, Reason,
    frontend::flags::{INTERNAL, LOCAL_ONLY, NODE_PORT},
    settings::{Range4, Range6},
};
use tidegate_journeys::{
    Bench, Case, Out, Scene, journeys,
    textbook::{self, POD, UPLINK},
};

journeys! {
    all: rule_2_3_8_and_3_4_1_a_pod_of_another_node_is_not_bound_by_the_external_policy,
        rule_3_4_1_a_pod_that_enters_by_the_uplink_may_dial_cluster_ips,
        rule_3_4_6_without_ranges_an_address_makes_nobody_a_pod,
        rule_3_2_5_and_3_1_14_its_remote_backend_sees_this_node;
}

/// The range in which the case's client lies.
fn with_range(mut scene: Scene, client: IpAddr) -> Scene {
    match client {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            scene.settings.pod4[1] = Range4 {
                base: Ip4::new([a, b, c, 0]),
                mask: Ip4::new([255, 255, 255, 0]),
            };
        }
        IpAddr::V6(ip) => {
            let mut base = ip.octets();
            base[8..].fill(0);
            let mut mask = [0xff; 16];
            mask[8..].fill(0);
            scene.settings.pod6[1] = Range6 {
                base: Ip6::new(base),
                mask: Ip6::new(mask),
            };
        }
    }
    scene
}

/// A NodePort with policy Local and nobody here, and a clusterIP with a backend here.
fn scene(case: &Case) -> Scene {
    let roles = case.places.roles;
    let mut scene = textbook::scene();
    let (here, there) = (
        scene.backend(roles.backend),
        scene.backend(roles.remote_backend),
    );
    scene.frontend(
        roles.node_port,
        case.proto,
        NODE_PORT | LOCAL_ONLY,
        &[there],
    );
    scene.frontend(roles.service, case.proto, INTERNAL, &[here]);
    scene
}

fn rule_2_3_8_and_3_4_1_a_pod_of_another_node_is_not_bound_by_the_external_policy(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.start(&with_range(scene(case), roles.client.ip()));
    let exit = bench.uplink(&case.first(roles.client, roles.node_port));
    assert_eq!(exit.reason, Some(Reason::NewFlow));
}

fn rule_3_2_5_and_3_1_14_its_remote_backend_sees_this_node(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    bench.start(&with_range(scene(case), roles.client.ip()));
    bench.uplink(&case.first(roles.client, roles.node_port));
    let reply = bench.record(case.tuple(roles.client, roles.node_port)).out;
    assert_eq!(reply.src.ip(), case.places.masquerade);
    // Back through this node, and from the dialled address.
    let exit = bench.uplink(&case.reply(roles.remote_backend, reply.src));
    exit.is_translated(
        Reason::KnownReply,
        roles.node_port,
        roles.client,
        Out::Link(UPLINK),
    );
}

fn rule_3_4_1_a_pod_that_enters_by_the_uplink_may_dial_cluster_ips(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    bench.start(&with_range(scene(case), roles.client.ip()));
    let exit = bench.uplink(&case.first(roles.client, roles.service));
    exit.is_translated(Reason::NewFlow, roles.client, roles.backend, Out::Pod(POD));
}

fn rule_3_4_6_without_ranges_an_address_makes_nobody_a_pod(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    // A pod's own address, at the uplink.
    let forged = std::net::SocketAddr::new(case.places.sibling.ip(), 40_123);
    bench.start(&scene(case));
    let exit = bench.uplink(&case.first(forged, roles.node_port));
    exit.is_dropped(Reason::NoLocalEndpoint);
    let exit = bench.uplink(&case.first(forged, roles.service));
    exit.is_dropped(Reason::ExternalClusterIp);
}
