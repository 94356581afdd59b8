//! Small programs and maps that are made and thrown away, straight through bpf(2).
//!
//! A helper is there if the verifier does not complain that it is not: what else it says about a program
//! of three instructions does not matter.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use super::{Feature, Found};
use crate::host::bpf;

const MAP_CREATE: libc::c_int = 0;
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;

const ARRAY: u32 = 2;
const LRU_HASH: u32 = 9;
const LPM_TRIE: u32 = 11;
const RINGBUF: u32 = 27;
/// `BPF_F_NO_PREALLOC`.
const NO_PREALLOC: u32 = 1;

/// Kind of a program, and where it is to be attached.
type Kind = (u32, u32);
const TC: Kind = (3, 0);
const XDP: Kind = (6, 0);
/// `BPF_PROG_TYPE_CGROUP_SOCK_ADDR` at `BPF_CGROUP_INET4_CONNECT`.
const CONNECT: Kind = (18, 10);

const TCX_INGRESS: u32 = 46;
const XDP_HOOK: u32 = 37;
/// `XDP_FLAGS_SKB_MODE`: the loopback has no driver that could.
const SKB_MODE: u32 = 2;

/// What `MAP_CREATE` reads first.
#[repr(C)]
struct NewMap {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

/// What `PROG_LOAD` reads first.
#[repr(C)]
struct NewProgram {
    kind: u32,
    len: u32,
    instructions: u64,
    licence: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    device: u32,
    attach: u32,
}

/// What `LINK_CREATE` reads first.
#[repr(C)]
struct NewLink {
    program: u32,
    device: u32,
    attach: u32,
    flags: u32,
    more: [u64; 4],
}

/// Features that need no device.
pub(super) fn features() -> Vec<(Feature, Found)> {
    vec![
        (Feature::Bpf, map(ARRAY, 4, 0)),
        (Feature::RingBuffer, map(RINGBUF, 0, 0)),
        (Feature::Trie, map(LPM_TRIE, 8, NO_PREALLOC)),
        (Feature::Lru, map(LRU_HASH, 4, 0)),
        (Feature::FibLookup, helper(TC, 69)),
        (Feature::SocketLookup, helper(TC, 85)),
        (Feature::RedirectPeer, helper(TC, 155)),
        (Feature::RedirectNeighbour, helper(TC, 152)),
        (Feature::NetnsCookie, helper(CONNECT, 122)),
        (Feature::SetRetval, helper(CONNECT, 187)),
    ]
}

/// Links at the loopback of the present network namespace, which must be one to play in.
pub(super) fn links() -> [(Feature, Found); 2] {
    [
        (Feature::Tcx, link(TC, TCX_INGRESS, 0)),
        (Feature::XdpLink, link(XDP, XDP_HOOK, SKB_MODE)),
    ]
}

fn map(kind: u32, key_size: u32, flags: u32) -> Found {
    let is_ring = kind == RINGBUF;
    let mut new = NewMap {
        kind,
        key_size,
        value_size: if is_ring { 0 } else { 4 },
        // A ring is a multiple of any page's size.
        max_entries: if is_ring { 1 << 16 } else { 1 },
        flags,
    };
    found(make(MAP_CREATE, &mut new).map(drop))
}

/// Whether programs of the kind may call the helper.
fn helper(kind: Kind, number: i32) -> Found {
    let (loaded, log) = load(kind, &[call(number), set_r0(0), EXIT]);
    let is_unknown = ["invalid func", "unknown func", "cannot use helper"]
        .iter()
        .any(|complaint| log.contains(complaint));
    match loaded {
        Ok(_) => Found::Works(String::new()),
        Err(_) if is_unknown => Found::Fails("the kernel does not know the call".to_owned()),
        // The verifier has got past the name of the helper, and complains about its arguments.
        Err(_) if !log.is_empty() => Found::Works(String::new()),
        Err(error) => found(Err(error)),
    }
}

fn link(kind: Kind, attach: u32, flags: u32) -> Found {
    // XDP_PASS is 2; tc goes on to the next program with -1.
    let verdict = if kind == XDP { 2 } else { -1 };
    let program = match load(kind, &[set_r0(verdict), EXIT]) {
        (Ok(program), _) => program,
        (Err(error), _) => return found(Err(error)),
    };
    let device = nix::net::if_::if_nametoindex("lo").unwrap_or(1);
    let mut new = NewLink {
        program: program.as_raw_fd().cast_unsigned(),
        device,
        attach,
        flags,
        more: [0; 4],
    };
    found(make(LINK_CREATE, &mut new).map(drop))
}

fn load((kind, attach): Kind, instructions: &[u64]) -> (io::Result<OwnedFd>, String) {
    let mut log = vec![0u8; 4096];
    let mut new = NewProgram {
        kind,
        len: instructions.len() as u32,
        instructions: instructions.as_ptr().expose_provenance() as u64,
        licence: c"GPL".as_ptr().expose_provenance() as u64,
        log_level: 1,
        log_size: log.len() as u32,
        log: log.as_mut_ptr().expose_provenance() as u64,
        kernel_version: 0,
        flags: 0,
        name: [0; 16],
        device: 0,
        attach,
    };
    let loaded = make(PROG_LOAD, &mut new);
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    log.truncate(end);
    (loaded, String::from_utf8_lossy(&log).into_owned())
}

/// A command that makes something, and its descriptor.
///
/// Before Linux 5.11 all that a user has made counts as locked memory, whichever process made it. Who is refused tries
/// once more without the limit.
pub(crate) fn make<T>(command: libc::c_int, attributes: &mut T) -> io::Result<OwnedFd> {
    let fd = match bpf(command, attributes) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && lift_limit() => {
            bpf(command, attributes)?
        }
        made => made?,
    };
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets this process lock as much memory as it likes; `false`: it may already, or must not.
fn lift_limit() -> bool {
    let none = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    let mut now = none;
    // SAFETY: two calls with structures of ours.
    unsafe {
        libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut now) == 0
            && now.rlim_cur != libc::RLIM_INFINITY
            && libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const none) == 0
    }
}

fn found(made: io::Result<()>) -> Found {
    match made {
        Ok(()) => Found::Works(String::new()),
        // Without rights everything is refused, whether it is there or not.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            Found::Untried("missing rights".to_owned())
        }
        Err(error) => Found::Fails(error.to_string()),
    }
}

/// An instruction without registers, as the kernel lays it out on either byte order.
fn instruction(code: u8, imm: i32) -> u64 {
    let mut bytes = [0; 8];
    bytes[0] = code;
    bytes[4..].copy_from_slice(&imm.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// A socket-buffer program.
pub(crate) fn program(instructions: &[u64]) -> io::Result<OwnedFd> {
    load(TC, instructions).0
}

/// A call of a helper.
pub(crate) fn call(helper: i32) -> u64 {
    instruction(0x85, helper)
}

fn set_r0(value: i32) -> u64 {
    instruction(0xb7, value)
}

/// The end of a program.
pub(crate) const EXIT: u64 = u64::from_ne_bytes([0x95, 0, 0, 0, 0, 0, 0, 0]);

/// `r0 >>= 32`. The register is in the low half of the second byte on little endian machines, in the high
/// half on others; it is register zero.
pub(crate) const SHIFT_R0_BY_32: u64 = {
    let [a, b, c, d] = 32i32.to_ne_bytes();
    u64::from_ne_bytes([0x77, 0, 0, 0, a, b, c, d])
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_that_no_kernel_has_is_told_from_one_that_all_have() {
        // bpf_ktime_get_ns, and a number that is nobody's.
        let [known, unknown] = [helper(TC, 5), helper(TC, 100_000)];
        if known == Found::Untried("missing rights".to_owned()) {
            return;
        }
        assert_eq!(known, Found::Works(String::new()));
        assert!(matches!(unknown, Found::Fails(_)), "{unknown:?}");
    }
}
