//! The kernel side remembers next hops (decision 25): for a tick at most, not beyond news of other routes, and not at
//! all when it is told not to.

mod direct;

use std::{
    net::{IpAddr, SocketAddr},
    process::Command,
    thread,
    time::Duration,
};

use tidegate_abi::{Proto, Reason, frontend::flags::NODE_PORT};
use tidegate_frames::{
    frame::{Frame, Udp},
    roles::BACKEND_MAC,
};
use tidegate_journeys::{
    Scene,
    case::{self, Case},
    machine::{Machine as _, Program, code},
    on_kernel::{KernelMachine, with_kernel},
    textbook::{self, NARROW_MTU, UPLINK},
};

/// More than a tick, 1.07 s.
const TICK: Duration = Duration::from_millis(1200);

/// The router behind which the backends of the other node are; its address is as it was when this is dropped.
struct Router(IpAddr);

impl Router {
    fn of(case: &Case) -> Self {
        Self(match case.places.roles.client.ip() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                [a, b, c, 20].into()
            }
            IpAddr::V6(ip) => {
                let mut segments = ip.segments();
                segments[7] = 20;
                segments.into()
            }
        })
    }

    fn moves_to(&self, mac: [u8; 6]) {
        let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
        let mut ip = Command::new("ip");
        ip.args(["neigh", "replace", &self.0.to_string(), "lladdr", &mac]);
        let done = ip.args(["dev", "wan", "nud", "permanent"]).status();
        assert!(done.expect("ip runs").success());
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.moves_to(BACKEND_MAC);
    }
}

fn to(number: u8) -> [u8; 6] {
    [0x02, 0, 0, 0, 9, number]
}

/// Datagrams of one client to a NodePort of these backends.
fn dialled(kernel: &mut KernelMachine, case: &Case, backend: SocketAddr) -> Frame<Udp> {
    start(kernel, case, textbook::scene(), backend)
}

fn start(
    kernel: &mut KernelMachine,
    case: &Case,
    mut scene: Scene,
    backend: SocketAddr,
) -> Frame<Udp> {
    let id = scene.backend(backend);
    let at = case.places.roles.node_port;
    scene.frontend(at, Proto::UDP, NODE_PORT, &[id]);
    kernel.start(&scene);
    Frame::udp(case.places.roles.client, at)
}

/// Where XDP sends it.
fn next_hop(kernel: &mut KernelMachine, frame: &[u8]) -> [u8; 6] {
    let exit = kernel.run(Program::XdpUplink, frame, UPLINK);
    assert_eq!(exit.code, code::XDP_TX);
    exit.frame[..6].try_into().expect("six bytes")
}

/// Each CPU remembers for itself, so this thread stays on one of those that it may use.
fn stay_on_one_cpu() {
    let here = nix::sched::sched_getcpu().expect("the CPU of this thread");
    let mut one = nix::sched::CpuSet::new();
    one.set(here).expect("a CPU");
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &one).expect("the CPU of now");
}

fn each_family(test: impl Fn(&mut KernelMachine, &Case) + Send + Sync) {
    with_kernel(|kernel| {
        for case in case::families() {
            test(kernel, &case);
        }
    });
}

/// Of the tries within one tick, one may miss: the programs' tick begins up to a jiffy after ours.
fn must_be_all_but_one(case: &Case, hits: u32, within_a_tick: u32) {
    assert!(
        within_a_tick > 0 && hits + 1 >= within_a_tick,
        "{case}: {hits} of {within_a_tick}"
    );
}

#[test]
fn a_next_hop_is_remembered_and_news_of_another_counts_at_once() {
    each_family(|kernel, case| {
        stay_on_one_cpu();
        let router = Router::of(case);
        let frame = dialled(kernel, case, case.places.roles.remote_backend).build();
        let (mut remembered, mut within_a_tick) = (0, 0);
        for number in 1..20 {
            router.moves_to(to(number));
            kernel.routes_changed();
            let tick = kernel.tick();
            assert_eq!(next_hop(kernel, &frame), to(number), "{case}");
            router.moves_to(to(99));
            let is_remembered = next_hop(kernel, &frame) == to(number);
            // A tick may have begun in between; on an emulated machine it does every second time.
            if kernel.tick() == tick {
                within_a_tick += 1;
                remembered += u32::from(is_remembered);
            }
        }
        must_be_all_but_one(case, remembered, within_a_tick);
    });
}

#[test]
fn a_next_hop_is_asked_for_again_a_second_later_without_any_news() {
    each_family(|kernel, case| {
        let router = Router::of(case);
        let frame = dialled(kernel, case, case.places.roles.remote_backend).build();
        assert_eq!(next_hop(kernel, &frame), BACKEND_MAC, "{case}");
        router.moves_to(to(1));
        thread::sleep(TICK);
        assert_eq!(next_hop(kernel, &frame), to(1), "{case}");
    });
}

#[test]
fn nothing_is_remembered_where_more_than_addresses_decides() {
    each_family(|kernel, case| {
        let router = Router::of(case);
        let frame = dialled(kernel, case, case.places.roles.remote_backend).build();
        kernel.routes_are_not_plain();
        for number in 1..20 {
            router.moves_to(to(number));
            assert_eq!(next_hop(kernel, &frame), to(number), "{case}");
        }
    });
}

#[test]
fn a_remembered_hop_is_not_for_packets_that_do_not_fit_it() {
    each_family(|kernel, case| {
        let frame = dialled(kernel, case, case.places.narrow_backend);
        let header = if case.places.narrow_backend.is_ipv6() {
            48
        } else {
            28
        };
        let most = NARROW_MTU as usize - header;
        let small = frame.clone().payload([1; 10]).build();
        let (fits, large) = (
            frame.clone().payload(vec![1; most]),
            frame.payload(vec![1; most + 1]),
        );
        for _ in 0..3 {
            for (sent, is_sent) in [
                (&small, true),
                (&large.clone().build(), false),
                (&fits.clone().build(), true),
            ] {
                let exit = kernel.run(Program::TcUplink, sent, UPLINK);
                let refused = exit.reason == Some(Reason::TooBig);
                assert_eq!(
                    refused,
                    !is_sent,
                    "{case}: {} bytes, {:?}",
                    sent.len(),
                    exit.reason
                );
            }
        }
    });
}
