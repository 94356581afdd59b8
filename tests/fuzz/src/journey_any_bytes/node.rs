//! The node, what has gone through it, and what is thrown at it next.

use std::net::IpAddr;

use tidegate_abi::Proto;
use tidegate_datapath::Door;
use tidegate_journeys::{
    Case, Scene, bench,
    machine::{Exit, Machine as _},
    on_host::HostMachine,
    record::{Record, Tuple},
    textbook::{NARROW, OVERLAY, POD, Places, SIBLING, UPLINK},
};

use super::{check, datagrams::Datagrams};
use crate::{
    input::Input,
    scene,
    shape::{self, turned},
};

/// So many frames are remembered.
const MEMORY: usize = 12;
const PROTOS: [Proto; 6] = [
    Proto::TCP,
    Proto::UDP,
    Proto::SCTP,
    Proto::ICMP,
    Proto(50),
    Proto(47),
];

/// Where a frame enters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum At {
    Uplink(u32),
    Pod(u32),
    Overlay,
    Host,
}

const PLACES: [At; 6] = [
    At::Uplink(UPLINK),
    At::Uplink(NARROW),
    At::Pod(POD),
    At::Pod(SIBLING),
    At::Overlay,
    At::Host,
];

pub(super) struct Node {
    pub(super) machine: HostMachine,
    pub(super) scene: Scene,
    pub(super) datagrams: Datagrams,
    /// Fragments that were swallowed until their first one comes.
    pub(super) held: Vec<Vec<u8>>,
    case: Case,
    memory: Vec<Exit>,
    pieces: Vec<Vec<u8>>,
}

impl Node {
    pub(super) fn new(input: &mut Input<'_>) -> Self {
        let choice = input.byte();
        let scene = scene::scene(choice);
        let mut machine = HostMachine::new();
        machine.start(&scene);
        let case = Case {
            places: Places::v4(),
            proto: Proto::TCP,
            xdp: choice & 4 != 0,
        };
        Self {
            machine,
            scene,
            datagrams: Datagrams::default(),
            held: Vec::new(),
            case,
            memory: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// One thing happens.
    pub(super) fn step(&mut self, input: &mut Input<'_>) {
        let remembered = self.memory.len();
        let chosen = input.below(16);
        if chosen == 0 {
            return self.turn(input);
        }
        let natural = match chosen {
            4..=10 if remembered > 0 => Some(self.memory[input.below(remembered)].clone()),
            _ => None,
        };
        let at = match &natural {
            Some(exit) if !input.one_in(4) => way_back(exit),
            _ => input.pick(&PLACES),
        };
        let frames = self.frames(input, chosen, natural);
        for frame in frames {
            let exit = self.enter(at, &frame);
            self.remember(exit);
        }
    }

    /// Time passes, a flood begins or ends, a socket is opened.
    fn turn(&mut self, input: &mut Input<'_>) {
        let world = &mut self.machine.0.world;
        match input.below(4) {
            0 => world.is_flooded.set(!world.is_flooded.get()),
            1 => {
                let places = [Places::v4(), Places::v6()];
                let port = scene::MASQUERADE.0 + input.below(4) as u16;
                let ip = input.pick(&places).masquerade;
                let proto = input.pick(&PROTOS[..3]);
                self.machine.occupy(proto, (ip, port).into());
            }
            _ => {
                let ticks = input.pick(&[1, 2, 31, 61, 121, 3_601]);
                world.tick.set(world.tick.get() + ticks);
            }
        }
    }

    /// The next frames to send.
    fn frames(
        &mut self,
        input: &mut Input<'_>,
        chosen: usize,
        about: Option<Exit>,
    ) -> Vec<Vec<u8>> {
        match (chosen, about) {
            (1, _) => {
                let mut frame = input.bytes(150);
                frame.resize(frame.len().max(14), 0);
                vec![frame]
            }
            (2 | 3, _) if !self.pieces.is_empty() => {
                let index = input.below(self.pieces.len());
                vec![self.pieces.remove(index)]
            }
            // The answer, or more of the same.
            (4..=6, Some(exit)) => match shape::tuple(&exit.frame).map(turned) {
                Some(tuple) => self.shaped(input, tuple),
                None => vec![exit.sent],
            },
            (7, Some(exit)) => match shape::tuple(&exit.sent) {
                Some(tuple) => self.shaped(input, tuple),
                None => vec![exit.sent],
            },
            (8 | 9, Some(exit)) => {
                let about = input.pick(&[exit.frame, exit.sent]);
                let family = self.family(input);
                let from = input.pick(&scene::endpoints(&family));
                let frames = shape::error(input, &about, from).unwrap_or_default();
                self.in_pieces(input, frames)
            }
            (10, Some(exit)) => {
                let mut frame = exit.sent;
                shape::damage(input, &mut frame);
                vec![frame]
            }
            _ => self.fresh(input),
        }
    }

    fn family(&self, input: &mut Input<'_>) -> Places {
        input.pick(&[Places::v4(), Places::v6()])
    }

    /// Somebody sends something to somebody.
    fn fresh(&mut self, input: &mut Input<'_>) -> Vec<Vec<u8>> {
        let everybody = scene::endpoints(&self.family(input));
        let (mut src, dst) = (input.pick(&everybody), input.pick(&everybody));
        if input.one_in(3) {
            src.set_port(40_000 + input.below(4) as u16);
        }
        let proto = input.pick(&PROTOS);
        self.shaped(input, Tuple { proto, src, dst })
    }

    fn shaped(&mut self, input: &mut Input<'_>, tuple: Tuple) -> Vec<Vec<u8>> {
        let frames = shape::packet(input, tuple);
        self.in_pieces(input, frames)
    }

    /// Pieces wait for their turn, which comes in any order; the first is sent now, or waits too.
    fn in_pieces(&mut self, input: &mut Input<'_>, mut frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        if frames.len() < 2 {
            return frames;
        }
        let now = input.below(2).min(frames.len());
        let waiting = frames.split_off(1 - now);
        self.pieces.extend(waiting);
        self.pieces.truncate(64);
        frames
    }

    /// A frame enters, and everything that must hold then is checked.
    pub(super) fn enter(&mut self, at: At, frame: &[u8]) -> Exit {
        let before = self.machine.records();
        let exit = self.run(at, frame);
        self.datagrams.note(&exit);
        check::exit(self, &exit, &before);
        self.again(at, &exit);
        check::comes_back(self, &exit);
        exit
    }

    /// The frame through the programs of a device, nothing checked.
    pub(super) fn run(&mut self, at: At, frame: &[u8]) -> Exit {
        let mut bench = bench::on(&mut self.machine, &self.case);
        match at {
            At::Uplink(device) => bench.enters(device, frame),
            At::Pod(device) => bench.pod(device, frame),
            At::Overlay => bench.overlay(frame),
            At::Host => bench.host(frame),
        }
    }

    /// What waited for this frame comes in again behind it, and must not be held a second time.
    fn again(&mut self, at: At, exit: &Exit) {
        for frame in self.machine.released(exit.device, 0) {
            let place = self.held.iter().position(|held| *held == frame);
            let place = place.unwrap_or_else(|| panic!("{}: never held: {frame:02x?}", exit.who));
            self.held.remove(place);
            let before = self.machine.records();
            let exit = self.run(at, &frame);
            check::is_not_held(&exit);
            check::exit(self, &exit, &before);
        }
    }

    fn remember(&mut self, exit: Exit) {
        if self.memory.len() >= MEMORY {
            self.memory.remove(0);
        }
        self.memory.push(exit);
    }

    /// A backend or frontend of the scene.
    pub(super) fn has_frontend(&self, tuple: (Proto, std::net::SocketAddr)) -> bool {
        let mut frontends = self.scene.frontends.iter();
        frontends.any(|(at, proto, _)| (*proto, *at) == tuple)
    }

    pub(super) fn has_backend(&self, at: std::net::SocketAddr) -> bool {
        self.scene.backends.iter().any(|endpoint| endpoint.at == at)
    }

    pub(super) fn record(&self, key: &Tuple) -> Option<Record> {
        self.machine.record(key)
    }

    /// Whether a packet to there leaves the node.
    pub(super) fn leads_out(&self, ip: IpAddr) -> bool {
        let route = self.machine.0.world.network.route(ip, 0);
        matches!(route, tidegate_datapath::Route::Via { .. })
    }
}

/// Where an answer to what went out enters.
pub(super) fn way_back(exit: &Exit) -> At {
    match exit.door {
        Some(Door::Peer(device) | Door::Neighbour(device)) => of_device(device),
        Some(Door::Transmit) => of_device(exit.device),
        _ => At::Host,
    }
}

fn of_device(device: u32) -> At {
    match device {
        POD | SIBLING => At::Pod(device),
        OVERLAY => At::Overlay,
        other => At::Uplink(other),
    }
}
