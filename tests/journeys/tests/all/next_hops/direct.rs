//! A socket buffer gets its Ethernet addresses from a remembered next hop: on Ethernet links, and not before the
//! kernel has sent a packet to the neighbour itself in this tick.

use tidegate_abi::device::flags::ETHERNET;
use tidegate_frames::roles::NODE_MAC;

use super::*;

/// Datagrams of one client to a NodePort of a backend behind the router; the uplink has these flags.
fn dialled(kernel: &mut KernelMachine, case: &Case, flags: u32) -> Frame<Udp> {
    let mut scene = textbook::scene();
    for (index, device) in &mut scene.devices {
        device.flags |= if *index == UPLINK { flags } else { 0 };
    }
    start(kernel, case, scene, case.places.roles.remote_backend)
}

/// What the socket-buffer program makes of the frame.
fn sent(kernel: &mut KernelMachine, frame: &[u8]) -> Vec<u8> {
    let exit = kernel.run(Program::TcUplink, frame, UPLINK);
    assert_eq!(exit.code, code::REDIRECT);
    exit.frame
}

/// In how many of some tries, of those within one tick, the second packet had the router's address; the first
/// never has it, and nothing else differs.
fn directs(kernel: &mut KernelMachine, case: &Case, frame: &[u8]) -> (u32, u32) {
    stay_on_one_cpu();
    let router = Router::of(case);
    let (mut direct, mut within_a_tick) = (0, 0);
    for number in 1..20 {
        router.moves_to(to(number));
        kernel.routes_changed();
        let tick = kernel.tick();
        let (first, second) = (sent(kernel, frame), sent(kernel, frame));
        assert_eq!(first[..12], frame[..12], "{case}: the kernel finds it");
        assert_eq!(first[12..], second[12..], "{case}");
        let written = [to(number), NODE_MAC].concat();
        let is_direct = second[..12] == written[..];
        assert!(is_direct || second == first, "{case}: {:x?}", &second[..12]);
        if kernel.tick() == tick {
            within_a_tick += 1;
            direct += u32::from(is_direct);
        }
    }
    (direct, within_a_tick)
}

#[test]
fn the_second_packet_of_a_tick_has_its_ethernet_addresses() {
    each_family(|kernel, case| {
        let frame = dialled(kernel, case, ETHERNET).build();
        let (direct, within_a_tick) = directs(kernel, case, &frame);
        must_be_all_but_one(case, direct, within_a_tick);
    });
}

#[test]
fn the_kernel_finds_the_neighbour_of_a_link_that_is_no_ethernet_and_of_frames_with_tags() {
    each_family(|kernel, case| {
        let frame = dialled(kernel, case, 0).build();
        assert_eq!(directs(kernel, case, &frame).0, 0, "{case}: no Ethernet");
        let frame = dialled(kernel, case, ETHERNET).vlan(7).build();
        assert_eq!(directs(kernel, case, &frame).0, 0, "{case}: tagged");
    });
}

#[test]
fn the_kernel_is_told_of_the_neighbour_again_in_the_next_tick() {
    each_family(|kernel, case| {
        stay_on_one_cpu();
        let frame = dialled(kernel, case, ETHERNET).build();
        sent(kernel, &frame);
        thread::sleep(TICK);
        assert_eq!(sent(kernel, &frame)[..12], frame[..12], "{case}");
    });
}
