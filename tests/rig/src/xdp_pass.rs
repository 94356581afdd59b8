//! An XDP program that passes everything, for the far end of a veth.
//!
//! A frame that XDP sends back (`XDP_TX`) into a veth waits in the receiver's ring until somebody wakes
//! the receiver, and the kernel's flush does so only if an XDP program sits there too
//! (`veth_xdp_flush`, seen on Linux 6.18: without one the frames arrived with the next ARP, seconds
//! later). Real network cards have no such condition.

use std::io::Error;
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use nix::net::if_::if_nametoindex;
use nix::sys::resource::{Resource, setrlimit};

use crate::{bpf, netns::Netns};

const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
/// `r0 = XDP_PASS; exit`
const PASS: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];

/// Attached until it is dropped.
#[derive(Debug)]
pub struct XdpPass {
    _link: OwnedFd,
}

impl XdpPass {
    pub fn attach(ns: &Netns, device: &str) -> Result<Self> {
        let link = ns.run(|| {
            let index = if_nametoindex(device).map_err(Error::from)?;
            let program = load()?;
            link(&program, index)
        });
        let link = link.with_context(|| format!("XDP on {device} in {}", ns.name()))?;
        Ok(Self { _link: link })
    }
}

fn load() -> Result<OwnedFd, Error> {
    // Before Linux 5.11 the agents' maps count for us, too; where the limit stays, it is not in the way.
    let none = nix::sys::resource::RLIM_INFINITY;
    let _stays = setrlimit(Resource::RLIMIT_MEMLOCK, none, none);
    let license = c"GPL";
    // `union bpf_attr` for BPF_PROG_LOAD: type, number of instructions, their address, the license's.
    let mut attributes = [0_u64; 16];
    attributes[0] = u64::from(BPF_PROG_TYPE_XDP) | (PASS.len() as u64) << 32;
    attributes[1] = PASS.as_ptr().addr() as u64;
    attributes[2] = license.as_ptr().addr() as u64;
    bpf::made(BPF_PROG_LOAD, &attributes)
}

fn link(program: &OwnedFd, index: u32) -> Result<OwnedFd, Error> {
    let mut attributes = [0_u64; 16];
    attributes[0] = bpf::of(program) | u64::from(index) << 32;
    attributes[1] = u64::from(BPF_XDP);
    bpf::made(BPF_LINK_CREATE, &attributes)
}
