//! Where a packet comes in, and where it goes.

use tidegate_abi::{Reason, reason::Kind};

/// What the device is at which a packet enters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The node's outside interface.
    Uplink,
    /// The host end of a pod's link.
    Pod,
    /// A tunnel between nodes.
    Overlay,
}

/// Which of the two programs of a device is running.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Before there is a socket buffer: translates what leaves by the same device at once, and leaves
    /// everything else untouched to the second stage.
    Xdp,
    /// On the socket buffer: every door is open.
    Tc,
    /// At egress: only replies of this host's own processes are translated, and all go on as they were.
    Leaving,
}

/// How a packet enters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The device's role.
    pub role: Role,
    /// The program.
    pub stage: Stage,
    /// Interface index.
    pub device: u32,
}

/// The way on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// On through the kernel's stack.
    Stack,
    /// Nowhere.
    Drop,
    /// To the other program, see [`mod@crate::aside`].
    Aside,
    /// Back out of the device it came from, as it is.
    Back,
    /// XDP: back out of the device it came from, Ethernet addresses written.
    Transmit,
    /// Into the namespace behind this device.
    Peer(u32),
    /// Out of this device, the kernel finds the neighbour.
    Neighbour(u32),
    /// Out of this device, Ethernet addresses written.
    Direct(u32),
}

/// The end of the journey.
#[must_use]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Why.
    pub reason: Reason,
    /// Where to.
    pub door: Door,
}

impl Verdict {
    /// Whether the packet is not what it was.
    #[inline(always)]
    pub fn is_touched(&self) -> bool {
        matches!(self.reason.kind(), Kind::Forward) || self.reason == Reason::WriteFailed
    }
}

/// Why a journey stops before the packet is translated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stop {
    /// The reason, which decides what becomes of the packet.
    pub reason: Reason,
    /// For [`Reason::TooBig`]: the MTU to report.
    pub mtu: u32,
}

/// There is no memory for a new flow.
impl Default for Stop {
    fn default() -> Self {
        Reason::FlowTableFull.into()
    }
}

impl From<Reason> for Stop {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self { reason, mtu: 0 }
    }
}
