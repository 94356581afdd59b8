//! What the data path needs to know about its node; read when a flow begins, never per packet.

use bytemuck::{Pod, Zeroable};

use crate::addr::{Ip4, Ip6};

/// How many service ranges of each family the data path guards.
pub const SERVICE_RANGES: usize = 4;
/// How many ranges of pods of each family it knows.
pub const POD_RANGES: usize = 4;

/// A block of IPv4 addresses: `addr & mask == base`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Range4 {
    /// First address.
    pub base: Ip4,
    /// Netmask; zero: the entry is unused.
    pub mask: Ip4,
}

/// A block of IPv6 addresses.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Range6 {
    /// First address.
    pub base: Ip6,
    /// Netmask; zero: the entry is unused.
    pub mask: Ip6,
}

/// The one entry of the `settings` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Settings {
    /// The node's primary IPv4 address; zero: none. Hairpin flows are masqueraded to it.
    pub node4: Ip4,
    /// The node's primary IPv6 address; zero: none.
    pub node6: Ip6,
    /// First port of the masquerade range, in the host's order.
    pub masquerade_min: u16,
    /// Last port of the masquerade range, in the host's order.
    pub masquerade_max: u16,
    /// See the constants of [`flags`].
    pub flags: u32,
    /// IPv4 service ranges.
    pub service4: [Range4; SERVICE_RANGES],
    /// IPv6 service ranges.
    pub service6: [Range6; SERVICE_RANGES],
    /// IPv4 addresses of pods, wherever they enter (decision 3: the device says it better).
    pub pod4: [Range4; POD_RANGES],
    /// The same for IPv6.
    pub pod6: [Range6; POD_RANGES],
}

/// Bits of [`Settings::flags`].
pub mod flags {
    /// Serve clusterIPs to clients outside the cluster (decision 4).
    pub const EXTERNAL_CLUSTER_IP: u32 = 1;
    /// Masquerade everything that is sent to a clusterIP (rule 3.1.11).
    pub const MASQUERADE_ALL: u32 = 2;
}

/// Globals fixed when the programs are loaded; the verifier drops the code that they rule out.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Frozen {
    /// Cookie of the agent's network namespace: socket hooks act on its processes only.
    pub netns_cookie: u64,
    /// What `bpf_jiffies64` says at the zero of `CLOCK_MONOTONIC`.
    pub jiffies_at_zero: u64,
    /// Nanoseconds in a jiffy; 0: not known, the clock itself is asked.
    pub jiffy_ns: u32,
    /// 1 when `bpf_set_retval` exists (Linux 5.18), so that connect() can say "refused".
    pub has_set_retval: u32,
}
