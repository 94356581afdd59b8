//! Frontends: the (address, protocol, port) that a client may dial.

use bytemuck::{Pod, Zeroable};

use crate::{
    addr::{Address, Ip4, Ip6, Port, Proto},
    wire::wire_struct,
};

/// What a client dials. Port 0 with protocol 0 stands for a service address itself: an allocated clusterIP
/// (rule 2.4.9), or a load-balancer address that answers pings. The unspecified address with a NodePort
/// stands for the loopback addresses (socket hook only).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FrontendKey<A> {
    /// The dialled address.
    pub addr: A,
    /// The dialled port.
    pub port: Port,
    /// The transport protocol.
    pub proto: Proto,
    /// Always zero: map keys are compared as bytes.
    pub pad: u8,
}

/// A range of the `slots` map: a selection table, whose entries are backend ids.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Pod, Zeroable)]
pub struct Pool {
    /// Index of the first slot.
    pub start: u32,
    /// Number of slots; 0: nobody serves.
    pub len: u32,
}

/// What stands behind a frontend. One write of this value moves a frontend to other tables.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Pod, Zeroable)]
pub struct Frontend {
    /// Id of the service port that owns the frontend.
    pub service: u32,
    /// See the constants of [`flags`].
    pub flags: u32,
    /// Backends anywhere in the cluster (rules 2.1 and 2.2 applied).
    pub cluster: Pool,
    /// Backends on this node.
    pub local: Pool,
    /// Session affinity time; 0: none (section 4).
    pub affinity_seconds: u32,
}

/// Bits of [`Frontend::flags`].
pub mod flags {
    /// The address is a clusterIP; without it the frontend is external (rules 2.3.1 and 2.3.2).
    pub const INTERNAL: u32 = 1;
    /// Traffic policy Local applies to this frontend.
    pub const LOCAL_ONLY: u32 = 2;
    /// The frontend is a NodePort on an address of this node.
    pub const NODE_PORT: u32 = 4;
    /// The frontend is a load-balancer address.
    pub const LOAD_BALANCER: u32 = 8;
    /// An allocated clusterIP without a port: new flows to unknown ports are rejected (rule 2.4.9).
    pub const ADDRESS_ONLY: u32 = 16;
    /// New flows must come from one of the service port's source ranges (rule 3.6).
    pub const SOURCE_RANGES: u32 = 32;
    /// With [`ADDRESS_ONLY`]: an ICMP echo request to the address is answered here.
    pub const PING: u32 = 64;
}

wire_struct!(FrontendKey<Ip4, Ip6> { addr: A, port: Port, proto: Proto, pad: u8 });

impl<A: Address> FrontendKey<A> {
    /// The key of a frontend.
    #[inline(always)]
    pub fn new(addr: A, port: Port, proto: Proto) -> Self {
        Self {
            addr,
            port,
            proto,
            pad: 0,
        }
    }

    /// The key under which an allocated clusterIP itself is known.
    #[inline(always)]
    pub fn of_address(addr: A) -> Self {
        Self::new(addr, Port::new(0), Proto(0))
    }
}

impl Frontend {
    /// Whether a flag of [`flags`] is set.
    #[inline(always)]
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}
