//! Pings of service addresses.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tidegate_abi::{
    Proto, Reason,
    frontend::flags::{ADDRESS_ONLY, INTERNAL, LOAD_BALANCER, PING},
    settings::flags::EXTERNAL_CLUSTER_IP,
};
use tidegate_frames::{
    Checksum, Frame,
    frame::{Extension, Icmp},
    oracle::{expected_echo_reply, verify},
};
use tidegate_journeys::{
    Bench, Case, Scene, bench, case, journeys,
    machine::{Machine as _, Program, code},
    on_host::HostMachine,
    on_kernel::with_kernel,
    textbook::{self, POD, UPLINK},
};

journeys! {
    families: rule_2_4_12_a_cluster_ip_answers_a_pods_ping,
        rule_2_4_12_a_load_balancer_address_answers_everybodys_ping,
        rule_2_4_12_a_cluster_ip_answers_outsiders_only_when_they_are_served,
        rule_2_4_12_an_address_whose_switch_is_off_does_not_answer,
        rule_2_4_12_only_requests_are_answered,
        a_ping_is_answered_inside_its_tags_and_with_its_options,
        a_damaged_ping_gets_no_right_answer,
        a_ping_in_pieces_is_not_answered;
}

/// The clusterIP, and a load-balancer address outside the service range.
fn addresses(case: &Case) -> [SocketAddr; 2] {
    let at = |ip: SocketAddr| SocketAddr::new(ip.ip(), 0);
    [at(case.places.roles.service), at(case.places.elsewhere)]
}

fn scene(case: &Case, ping: u32) -> Scene {
    let mut scene = textbook::scene();
    let [cluster, balancer] = addresses(case);
    let none = Proto(0);
    scene.frontend(cluster, none, INTERNAL | ADDRESS_ONLY | ping, &[]);
    scene.frontend(balancer, none, LOAD_BALANCER | ADDRESS_ONLY | ping, &[]);
    scene
}

fn caller(case: &Case) -> SocketAddr {
    SocketAddr::new(case.places.roles.backend.ip(), 0)
}

fn request(src: SocketAddr, dst: SocketAddr) -> Frame<Icmp> {
    Frame::echo(src, dst, 0x1234, 7).payload("tick tock")
}

fn rule_2_4_12_a_cluster_ip_answers_a_pods_ping(bench: &mut Bench<'_>, case: &Case) {
    bench.start(&scene(case, PING));
    let [cluster, _] = addresses(case);
    for size in [0, 1, 2, 3, 56, 57, 1400, 1472 - 20] {
        let frame = request(caller(case), cluster).payload(vec![0x61; size]);
        for ttl in [1, 64, 255] {
            let sent = frame.clone().ttl(ttl).build();
            let expected = expected_echo_reply(&sent);
            let exit = bench.pod(POD, &sent);
            exit.is_answered(Reason::PingAnswered, &expected_echo_reply(&exit.sent));
            assert_eq!(expected[12..], exit.frame[12..]);
        }
    }
    assert_eq!(bench.machine.records(), []);
}

fn rule_2_4_12_a_load_balancer_address_answers_everybodys_ping(bench: &mut Bench<'_>, case: &Case) {
    bench.start(&scene(case, PING));
    let [_, balancer] = addresses(case);
    let client = case.places.roles.client;
    let sent = request(client, balancer).build();
    let expected = expected_echo_reply(&sent);
    bench
        .uplink(&sent)
        .is_answered(Reason::PingAnswered, &expected);
    bench
        .overlay(&sent)
        .is_answered(Reason::PingAnswered, &expected);
    let exit = bench.pod(POD, &request(caller(case), balancer).build());
    exit.is_answered(Reason::PingAnswered, &expected_echo_reply(&exit.sent));
}

fn rule_2_4_12_a_cluster_ip_answers_outsiders_only_when_they_are_served(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let [cluster, _] = addresses(case);
    let sent = request(case.places.roles.client, cluster).build();
    let mut scene = scene(case, PING);
    bench.start(&scene);
    bench.uplink(&sent).is_dropped(Reason::ExternalClusterIp);
    scene.settings.flags |= EXTERNAL_CLUSTER_IP;
    bench.start(&scene);
    bench
        .uplink(&sent)
        .is_answered(Reason::PingAnswered, &expected_echo_reply(&sent));
}

fn rule_2_4_12_an_address_whose_switch_is_off_does_not_answer(bench: &mut Bench<'_>, case: &Case) {
    bench.start(&scene(case, 0));
    let [cluster, balancer] = addresses(case);
    let sent = request(caller(case), cluster).build();
    bench.pod(POD, &sent).is_dropped(Reason::Untranslatable);
    // Not ours as a whole: somebody else may answer (rule 2.4.11).
    let sent = request(case.places.roles.client, balancer).build();
    bench.uplink(&sent).is_passed(Reason::NotTransport);
    // Nor does an address that no Service has.
    bench.start(&scene(case, PING));
    let unowned = case.places.unowned;
    let sent = request(caller(case), unowned).build();
    bench.pod(POD, &sent).is_dropped(Reason::Untranslatable);
    let sent = request(caller(case), case.places.sibling).build();
    bench.pod(POD, &sent).is_passed(Reason::NotTransport);
}

fn rule_2_4_12_only_requests_are_answered(bench: &mut Bench<'_>, case: &Case) {
    bench.start(&scene(case, PING));
    let [_, balancer] = addresses(case);
    let kinds: &[u8] = if balancer.is_ipv4() {
        &[0, 13, 15, 17, 42]
    } else {
        &[129, 130, 133, 135, 136, 160]
    };
    for kind in kinds {
        let frame = Frame::icmp(case.places.roles.client, balancer, *kind, 0);
        let sent = frame.payload([3; 24]).build();
        bench.uplink(&sent).is_passed(Reason::NotTransport);
    }
}

fn a_ping_is_answered_inside_its_tags_and_with_its_options(bench: &mut Bench<'_>, case: &Case) {
    bench.start(&scene(case, PING));
    let [_, balancer] = addresses(case);
    let plain = || request(case.places.roles.client, balancer);
    let dressed = match balancer {
        SocketAddr::V4(_) => plain().ip_options(&[148, 4, 0, 0]),
        SocketAddr::V6(_) => plain().extension(Extension::destination_options(1)),
    };
    for frame in [plain().vlan(7), plain().service_vlan(9).vlan(7), dressed] {
        let sent = frame.tos(0x20).pad_to(120).build();
        let expected = expected_echo_reply(&sent);
        bench
            .uplink(&sent)
            .is_answered(Reason::PingAnswered, &expected);
    }
}

fn a_damaged_ping_gets_no_right_answer(bench: &mut Bench<'_>, case: &Case) {
    bench.start(&scene(case, PING));
    let [_, balancer] = addresses(case);
    let frame = request(case.places.roles.client, balancer).checksum(Checksum::Wrong);
    let exit = bench.uplink(&frame.build());
    assert!(verify(&exit.frame).is_err());
}

fn a_ping_in_pieces_is_not_answered(bench: &mut Bench<'_>, case: &Case) {
    bench.start(&scene(case, PING));
    let [cluster, balancer] = addresses(case);
    let pieces = |src, dst| request(src, dst).payload([1; 100]).fragments(48);
    for piece in pieces(case.places.roles.client, balancer) {
        bench.uplink(&piece).is_passed(Reason::Fragment);
    }
    for piece in pieces(caller(case), cluster) {
        bench.pod(POD, &piece).is_dropped(Reason::Untranslatable);
    }
}

#[test]
fn a_flood_of_pings_is_answered_in_part_by_the_kernel() {
    with_kernel(|kernel| {
        for case in case::families() {
            kernel.start(&scene(&case, PING));
            let [_, balancer] = addresses(&case);
            let sent = request(case.places.roles.client, balancer).build();
            let until = |wanted: i32| {
                let deadline = Instant::now() + Duration::from_secs(60);
                while kernel.hurry(Program::TcUplink, &sent, UPLINK) != wanted {
                    assert!(Instant::now() < deadline, "{case}: never {wanted}");
                }
            };
            // Answered, then not any more, and after a while again.
            until(code::REDIRECT);
            until(code::SHOT);
            until(code::REDIRECT);
        }
    });
}

#[test]
fn a_flood_of_pings_is_not_answered() {
    for case in case::families() {
        let mut machine = HostMachine::new();
        machine.start(&scene(&case, PING));
        machine.0.world.is_flooded.set(true);
        let [_, balancer] = addresses(&case);
        let sent = request(case.places.roles.client, balancer).build();
        let mut bench = bench::on(&mut machine, &case);
        bench.uplink(&sent).is_dropped(Reason::RateLimited);
        // Nor is anything else that would be answered.
        let refused = case.first(case.places.roles.client, case.places.roles.node_port);
        let mut closed = textbook::scene();
        let dialled = case.places.roles.node_port;
        closed.frontend(
            dialled,
            case.proto,
            tidegate_abi::frontend::flags::NODE_PORT,
            &[],
        );
        bench.machine.change(&closed);
        bench.uplink(&refused).is_dropped(Reason::RateLimited);
    }
}
