//! A process of this host is the backend: its replies enter nowhere, and are met where they leave.

use std::net::SocketAddr;

use tidegate_abi::{
    Reason,
    frontend::flags::{INTERNAL, NODE_PORT},
    settings::flags::MASQUERADE_ALL,
};
use tidegate_frames::Frame;
use tidegate_journeys::{
    Bench, Case, Out, journeys,
    textbook::{self, POD},
};

journeys! {
    all: a_client_reaches_a_process_of_this_host_and_hears_the_dialled_address,
        rule_3_1_17_a_pod_reaches_a_process_of_this_host_though_all_are_masqueraded,
        what_the_host_sends_of_its_own_is_left_alone;
}

/// The process, at an address that is the node's own.
fn process(case: &Case) -> SocketAddr {
    SocketAddr::new(case.places.roles.node_port.ip(), 8080)
}

fn start(bench: &mut Bench<'_>, case: &Case) {
    let mut scene = textbook::scene();
    let backend = scene.backend(process(case));
    scene.backend_mut(backend).flags |= tidegate_abi::backend::flags::LOCAL;
    scene.frontend(
        case.places.roles.node_port,
        case.proto,
        NODE_PORT,
        &[backend],
    );
    bench.start(&scene);
}

fn a_client_reaches_a_process_of_this_host_and_hears_the_dialled_address(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let (client, dialled) = (case.places.roles.client, case.places.roles.node_port);
    start(bench, case);
    let exit = bench.uplink(&case.first(client, dialled));
    exit.is_translated(Reason::NewFlow, client, process(case), Out::Stack);
    let exit = bench.host(&case.reply(process(case), client));
    exit.is_translated(Reason::KnownReply, dialled, client, Out::Stack);
    // The last hop is the host itself.
    let frame = Frame::udp(client, dialled).ttl(1).build();
    if case.proto == tidegate_abi::Proto::UDP {
        bench
            .uplink(&frame)
            .is_translated(Reason::KnownFlow, client, process(case), Out::Stack);
    }
}

fn rule_3_1_17_a_pod_reaches_a_process_of_this_host_though_all_are_masqueraded(
    bench: &mut Bench<'_>,
    case: &Case,
) {
    let roles = case.places.roles;
    let pod = SocketAddr::new(roles.backend.ip(), 41_000);
    let mut scene = textbook::scene();
    scene.settings.flags |= MASQUERADE_ALL;
    let backend = scene.backend(process(case));
    scene.backend_mut(backend).flags |= tidegate_abi::backend::flags::LOCAL;
    scene.frontend(roles.service, case.proto, INTERNAL, &[backend]);
    bench.start(&scene);

    let exit = bench.pod(POD, &case.first(pod, roles.service));
    exit.is_translated(Reason::NewFlow, pod, process(case), Out::Stack);
    let exit = bench.host(&case.reply(process(case), pod));
    exit.is_translated(Reason::KnownReply, roles.service, pod, Out::Stack);
}

fn what_the_host_sends_of_its_own_is_left_alone(bench: &mut Bench<'_>, case: &Case) {
    let roles = case.places.roles;
    start(bench, case);
    bench.uplink(&case.first(roles.client, roles.node_port));
    let other = SocketAddr::new(roles.client.ip(), 50_000);
    for (src, dst) in [(process(case), other), (roles.node_port, roles.client)] {
        bench.host(&case.later(src, dst)).is_left_alone();
    }
    // Nor is what could be a client's packet: the host's own are translated at the socket.
    bench
        .host(&case.later(roles.client, roles.node_port))
        .is_left_alone();
    let ping = Frame::echo(process(case), roles.client, 1, 1).build();
    let pieces = Frame::udp(process(case), other)
        .payload([1; 64])
        .fragments(32);
    for frame in std::iter::once(&ping).chain(&pieces) {
        bench.host(frame).is_left_alone();
    }
}
