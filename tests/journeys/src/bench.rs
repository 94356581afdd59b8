//! A machine under test, and how journeys are run on it.

use std::{net::SocketAddr, thread, time::Duration};

use tidegate_frames::roles::{CLIENT_MAC, NODE_MAC};

use crate::{
    case::Case,
    machine::{Exit, Machine, Program, code},
    on_host::HostMachine,
    record::{Record, Tuple},
    scene::Scene,
    textbook::{self, UPLINK},
};

/// A machine under test.
pub struct Bench<'a> {
    /// The machine itself.
    pub machine: &'a mut dyn Machine,
    xdp: bool,
}

impl Bench<'_> {
    /// Whether uplinks have an XDP stage.
    pub fn is_staged(&self) -> bool {
        self.xdp
    }

    /// Begins anew with this scene.
    pub fn start(&mut self, scene: &Scene) {
        self.machine.start(scene);
    }

    /// Begins anew with one frontend, these backends behind it.
    pub fn serve(
        &mut self,
        case: &Case,
        frontend: SocketAddr,
        flags: u32,
        backends: &[SocketAddr],
    ) {
        let mut scene = textbook::scene();
        let ids: Vec<_> = backends.iter().map(|at| scene.backend(*at)).collect();
        scene.frontend(frontend, case.proto, flags, &ids);
        self.start(&scene);
    }

    /// A frame enters by the uplink.
    #[track_caller]
    pub fn uplink(&mut self, frame: &[u8]) -> Exit {
        self.enters(UPLINK, frame)
    }

    /// A frame enters by an uplink: the second stage gets what the first one passes, untouched.
    #[track_caller]
    pub fn enters(&mut self, device: u32, frame: &[u8]) -> Exit {
        if self.xdp {
            let exit = self.machine.run(Program::XdpUplink, frame, device);
            if exit.code != code::XDP_PASS {
                return Exit {
                    staged: true,
                    ..exit
                };
            }
            assert_eq!(
                exit.frame, frame,
                "{}: a frame that XDP passes is not touched",
                exit.who
            );
        }
        let exit = self.machine.run(Program::TcUplink, frame, device);
        Exit {
            staged: self.xdp,
            ..exit
        }
    }

    /// A pod sends a frame; `device` is the host end of its cable.
    pub fn pod(&mut self, device: u32, frame: &[u8]) -> Exit {
        self.machine
            .run(Program::TcPod, &from_pod(device, frame), device)
    }

    /// A frame comes out of a tunnel.
    pub fn overlay(&mut self, frame: &[u8]) -> Exit {
        self.machine
            .run(Program::TcOverlay, frame, textbook::OVERLAY)
    }

    /// A process of this host sends a frame, which leaves by the uplink.
    pub fn host(&mut self, frame: &[u8]) -> Exit {
        self.machine.run(Program::TcHost, frame, UPLINK)
    }

    /// The record that translates packets with this tuple.
    #[track_caller]
    pub fn record(&self, key: Tuple) -> Record {
        let found = self.find(key);
        found.unwrap_or_else(|| panic!("{}: no record of {key:?}", self.machine.name()))
    }

    /// The same, if there is one.
    pub fn find(&self, key: Tuple) -> Option<Record> {
        self.machine
            .records()
            .into_iter()
            .find(|record| record.key == key)
    }

    /// Makes a record look as if its last packet came `ticks` ago.
    #[track_caller]
    pub fn age(&mut self, key: Tuple, ticks: u32) {
        let record = self.record(key);
        self.wait_until_old_enough(ticks);
        let seen = self.machine.tick().saturating_sub(ticks);
        self.machine.put_record(&Record { seen, ..record });
    }

    /// The clock of flows begins when the machine starts: one that has just booted (`./x vm`) must get some minutes old
    /// before a flow can have been idle for as long.
    pub fn wait_until_old_enough(&self, ticks: u32) {
        const MOST: u32 = 150;
        let is_too_young = || (self.machine.tick()..=MOST).contains(&ticks);
        while is_too_young() {
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// The frame with the Ethernet addresses that it has on a pod's cable.
fn from_pod(device: u32, frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let host = textbook::network()
        .link(device)
        .map_or(NODE_MAC, |link| link.mac);
    let pod = if device == textbook::POD {
        textbook::POD_MAC
    } else {
        textbook::SIBLING_MAC
    };
    if frame[..12] == [NODE_MAC, CLIENT_MAC].concat() {
        frame[..6].copy_from_slice(&host);
        frame[6..12].copy_from_slice(&pod);
    }
    frame
}

/// A journey: what happens in it, on any machine.
pub type Journey = fn(&mut Bench<'_>, &Case);

/// A bench around a machine, for tests that need it for longer.
pub fn on<'a>(machine: &'a mut dyn Machine, case: &Case) -> Bench<'a> {
    Bench {
        machine,
        xdp: case.xdp,
    }
}

/// Runs a journey on the host, to next hops that nobody remembers and to remembered ones.
pub fn on_host(cases: &[Case], journey: Journey) {
    for case in cases {
        println!("{case}");
        journey(&mut on(&mut HostMachine::new(), case), case);
        println!("{case}, next hops remembered");
        let mut machine = HostMachine::with_remembered_hops();
        journey(&mut on(&mut machine, case), case);
    }
}

/// Runs a journey on the loaded programs.
#[cfg(feature = "kernel")]
pub fn in_kernel(cases: &[Case], journey: Journey) {
    let can_xdp = tidegate_loader::can_try_xdp();
    crate::on_kernel::with_kernel(|machine| {
        for case in cases.iter().filter(|case| can_xdp || !case.xdp) {
            println!("{case}");
            journey(
                &mut Bench {
                    machine,
                    xdp: case.xdp,
                },
                case,
            );
        }
    });
}

/// Declares which journeys there are: two tests each, one on the host and one in the kernel.
#[macro_export]
macro_rules! journeys {
    ($($cases:ident: $($name:ident),+;)+) => {$($(
        mod $name {
            use $crate::{bench, case};

            #[test]
            fn on_the_host() {
                bench::on_host(&case::$cases(), super::$name);
            }

            #[test]
            fn in_the_kernel() {
                bench::in_kernel(&case::$cases(), super::$name);
            }
        }
    )+)+};
}
