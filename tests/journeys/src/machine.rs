//! What a journey can be run on, and how a hop of it ends.

use std::net::SocketAddr;

use tidegate_abi::{Proto, Reason};
use tidegate_datapath::{Door, Role, Stage};

use crate::{
    record::{Record, Tuple},
    scene::Scene,
    sticky::Sticky,
};

/// A packet program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Program {
    /// The uplink's first stage.
    XdpUplink,
    /// The uplink's second stage, or its only one.
    TcUplink,
    /// A pod's device.
    TcPod,
    /// A tunnel.
    TcOverlay,
    /// What the host sends, where it leaves.
    TcHost,
}

/// Return codes of tc and XDP programs.
pub mod code {
    /// tc: on to the next program, then to the stack.
    pub const NEXT: i32 = -1;
    /// tc: dropped.
    pub const SHOT: i32 = 2;
    /// tc: sent out of a device, or into a namespace.
    pub const REDIRECT: i32 = 7;
    /// XDP: dropped.
    pub const XDP_DROP: i32 = 1;
    /// XDP: on to the stack.
    pub const XDP_PASS: i32 = 2;
    /// XDP: back out of the device.
    pub const XDP_TX: i32 = 3;
}

impl Program {
    /// The name that the object gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::XdpUplink => "xdp_uplink",
            Self::TcUplink => "tc_uplink",
            Self::TcPod => "tc_pod",
            Self::TcOverlay => "tc_overlay",
            Self::TcHost => "tc_host",
        }
    }

    /// The device role that it is made for.
    pub fn role(self) -> Role {
        match self {
            Self::XdpUplink | Self::TcUplink | Self::TcHost => Role::Uplink,
            Self::TcPod => Role::Pod,
            Self::TcOverlay => Role::Overlay,
        }
    }

    /// Its stage.
    pub fn stage(self) -> Stage {
        match self {
            Self::XdpUplink => Stage::Xdp,
            Self::TcHost => Stage::Leaving,
            Self::TcUplink | Self::TcPod | Self::TcOverlay => Stage::Tc,
        }
    }

    /// The return code for a door.
    pub fn code(self, door: Door) -> i32 {
        match (self, door) {
            (Self::XdpUplink, Door::Transmit) => code::XDP_TX,
            (Self::XdpUplink, Door::Drop) => code::XDP_DROP,
            (Self::XdpUplink, _) => code::XDP_PASS,
            (_, Door::Stack | Door::Transmit | Door::Aside) => code::NEXT,
            (_, Door::Drop) => code::SHOT,
            (_, Door::Back | Door::Peer(_) | Door::Neighbour(_) | Door::Direct(_)) => {
                code::REDIRECT
            }
        }
    }
}

/// The end of one run of one program.
#[derive(Clone, Debug)]
pub struct Exit {
    /// The machine and the program, for messages.
    pub who: String,
    /// The program.
    pub program: Program,
    /// At which device the frame entered.
    pub device: u32,
    /// The frame that went in.
    pub sent: Vec<u8>,
    /// The frame that came out.
    pub frame: Vec<u8>,
    /// The return code.
    pub code: i32,
    /// The counter that moved; none does where XDP leaves a packet to the second stage, or where the
    /// host sends what is none of ours.
    pub reason: Option<Reason>,
    /// The door; the kernel does not show it.
    pub door: Option<Door>,
    /// Whether XDP had the frame first.
    pub staged: bool,
}

/// A node that runs programs on frames.
pub trait Machine {
    /// "host" or "kernel".
    fn name(&self) -> &'static str;
    /// Forgets everything, flows too, and writes the scene.
    fn start(&mut self, scene: &Scene);
    /// Writes the scene over what is there; flows stay.
    fn change(&mut self, scene: &Scene);
    /// Runs a program on a frame that enters at a device.
    fn run(&mut self, program: Program, frame: &[u8], device: u32) -> Exit;
    /// Whether this frame can be run at all: the kernel's test run refuses some short ones.
    fn takes(&self, program: Program, frame: &[u8]) -> bool;
    /// All flow records.
    fn records(&self) -> Vec<Record>;
    /// Adds or replaces a flow record.
    fn put_record(&mut self, record: &Record);
    /// Removes one.
    fn remove_record(&mut self, key: &Tuple);
    /// Removes the flows that have been idle for too long; returns how many.
    fn sweep(&mut self) -> u32;
    /// The present tick.
    fn tick(&self) -> u32;
    /// The present time in nanoseconds.
    fn now_ns(&self) -> u64;
    /// As the agent does when it has taken an address from a Service.
    fn note_moved(&mut self);
    /// All affinity records.
    fn affinities(&self) -> Vec<Sticky>;
    /// Adds or replaces an affinity record.
    fn put_affinity(&mut self, record: &Sticky);
    /// From now on, frames that are sent in again are noted.
    fn listen(&mut self);
    /// The frames that were sent in again at a device since [`Machine::listen`], at least `count` of them.
    fn released(&mut self, device: u32, count: usize) -> Vec<Vec<u8>>;
    /// Opens a socket of a host process there, until the next [`Machine::start`].
    fn occupy(&mut self, proto: Proto, at: SocketAddr);
}
