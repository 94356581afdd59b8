//! Rule 5.6.11 for super-packets whose number of segments nobody has counted: they come from `virtio_net`,
//! `xen-netfront` and tap devices, and are no larger on the wire than their segments.

use std::net::SocketAddr;

use tidegate_abi::{Proto, Reason, frontend::flags::NODE_PORT};
use tidegate_frames::frame::{
    Frame,
    tcp::{ACK, SYN},
};
use tidegate_journeys::{
    machine::{Machine as _, Program, code},
    on_kernel::{KernelMachine, with_kernel},
    textbook::{self, NARROW_MTU, Places, UPLINK},
};

#[test]
fn rule_5_6_11_a_super_packet_of_uncounted_segments_is_not_too_big() {
    with_kernel(|kernel| {
        for places in [Places::v4(), Places::v6()] {
            let (client, dialled) = (places.roles.client, places.roles.node_port);
            let mut scene = textbook::scene();
            let backend = scene.backend(places.narrow_backend);
            scene.frontend(dialled, Proto::TCP, NODE_PORT, &[backend]);
            kernel.start(&scene);
            let first = Frame::tcp(client, dialled).flags(SYN).build();
            let exit = kernel.run(Program::TcUplink, &first, UPLINK);
            assert_eq!(exit.reason, Some(Reason::NewFlow));

            let large = bulk(client, dialled);
            let exit = kernel.run(Program::TcUplink, &large, UPLINK);
            assert_eq!(exit.reason, Some(Reason::TooBig), "it is one packet");
            let known = |machine: &KernelMachine| machine.counters()[Reason::KnownFlow as usize];
            let (before, segment) = (known(kernel).packets, NARROW_MTU - 100);
            let returned = kernel.run_segmented(Program::TcUplink, &large, UPLINK, segment);
            assert_eq!(returned.expect("it can be run"), code::REDIRECT);
            assert_eq!(known(kernel).packets, before + 1);
        }
    });
}

/// More than the narrow link takes at a time.
fn bulk(client: SocketAddr, dialled: SocketAddr) -> Vec<u8> {
    Frame::tcp(client, dialled)
        .flags(ACK)
        .payload(vec![7; 2 * NARROW_MTU as usize])
        .build()
}
