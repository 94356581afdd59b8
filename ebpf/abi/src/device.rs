//! Network devices and the pods behind them.

use bytemuck::{Pod, Zeroable};

use crate::addr::{Ip4, Ip6, Mac};

/// A device that tidegate is attached to, by interface index.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Device {
    /// Source address for flows that are masqueraded out of this device; zero: the node's address.
    pub masquerade4: Ip4,
    /// The same for IPv6.
    pub masquerade6: Ip6,
    /// See the constants of [`flags`].
    pub flags: u32,
}

/// Bits of [`Device::flags`].
pub mod flags {
    /// The device's peer is in another network namespace, so `bpf_redirect_peer` reaches it.
    pub const PEER: u32 = 1;
    /// Frames on the link begin with Ethernet addresses (`ARPHRD_ETHER`).
    pub const ETHERNET: u32 = 2;
}

/// The short way to a pod on this node.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct LocalPod {
    /// Interface index of the host end of the pod's link.
    pub device: u32,
    /// The pod's own Ethernet address; zero: unknown.
    pub pod_mac: Mac,
    /// The Ethernet address of the host end.
    pub host_mac: Mac,
}
