//! The cookie of the present network namespace, where no socket tells it (Linux 5.7 to 5.13).
//!
//! The socket hooks themselves have always known it. So one is made for a moment: it hangs at the root of the
//! cgroups, looks for a connection to an address of the loopback that nobody else has just chosen, and notes down
//! the namespace that this comes from.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
};

use crate::{host::bpf, probe::raw::make};

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP: libc::c_int = 1;
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;
/// `BPF_MAP_TYPE_ARRAY`, with four bytes of key and eight of value.
const ARRAY: u32 = 2;
/// `BPF_PROG_TYPE_CGROUP_SOCK_ADDR` at `BPF_CGROUP_INET4_CONNECT`.
const SOCK_ADDR: u32 = 18;
const CONNECT4: u32 = 10;
/// Offset of `user_ip4` in `struct bpf_sock_addr`.
const USER_IP4: i16 = 4;

/// Asks the hooks for the cookie; `None`: they cannot be asked.
pub(crate) fn learn() -> Option<u64> {
    let cgroup = File::open(cgroup_root()?).ok()?;
    ask(&cgroup).ok().filter(|cookie| *cookie != 0)
}

fn ask(cgroup: &File) -> io::Result<u64> {
    let map = make(MAP_CREATE, &mut [ARRAY, 4, 8, 1, 0])?;
    let place = address();
    let program = load(&program(&map, place))?;
    let fd = |fd: i32| fd.cast_unsigned();
    let mut link = [fd(program.as_raw_fd()), fd(cgroup.as_raw_fd()), CONNECT4, 0];
    let link = make(LINK_CREATE, &mut link)?;
    // Connecting sends nothing.
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.connect((place, 1))?;
    drop(link);
    let (key, mut cookie) = (0u32, 0u64);
    let mut lookup = [
        u64::from(fd(map.as_raw_fd())),
        (&raw const key).expose_provenance() as u64,
        (&raw mut cookie).expose_provenance() as u64,
        0,
    ];
    bpf(MAP_LOOKUP, &mut lookup)?;
    // The kernel has written it behind the compiler's back.
    Ok(std::hint::black_box(cookie))
}

/// The first cgroup v2 mount.
fn cgroup_root() -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    root_among(&mounts)
}

fn root_among(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| place.to_owned())
    })
}

/// One of sixteen million addresses of the loopback.
fn address() -> Ipv4Addr {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let [a, b, c, _] = now
        .map_or(0, |since| since.subsec_nanos())
        .wrapping_add(std::process::id())
        .to_le_bytes();
    Ipv4Addr::new(127, a, b, c)
}

/// `if ctx.user_ip4 == place { map[0] = bpf_get_netns_cookie(ctx) } return 1`
fn program(map: &OwnedFd, place: Ipv4Addr) -> [u64; 17] {
    let wanted = i32::from_ne_bytes(place.octets());
    [
        instruction(0xbf, 6, 1, 0, 0),               // r6 = r1
        instruction(0x61, 2, 6, USER_IP4, 0),        // r2 = ctx.user_ip4
        instruction(0x56, 2, 0, 12, wanted),         // if w2 != place goto the end
        instruction(0xbf, 1, 6, 0, 0),               // r1 = r6
        instruction(0x85, 0, 0, 0, 122),             // bpf_get_netns_cookie
        instruction(0x7b, 10, 0, -16, 0),            // *(u64 *)(r10 - 16) = r0
        instruction(0x62, 10, 0, -4, 0),             // *(u32 *)(r10 - 4) = 0
        instruction(0x18, 1, 1, 0, map.as_raw_fd()), // r1 = the map, in two parts
        0,
        instruction(0xbf, 2, 10, 0, 0), // r2 = r10 - 4
        instruction(0x07, 2, 0, 0, -4),
        instruction(0xbf, 3, 10, 0, 0), // r3 = r10 - 16
        instruction(0x07, 3, 0, 0, -16),
        instruction(0xb7, 4, 0, 0, 0), // r4 = BPF_ANY
        instruction(0x85, 0, 0, 0, 2), // bpf_map_update_elem
        instruction(0xb7, 0, 0, 0, 1), // r0 = 1: the connection goes on
        instruction(0x95, 0, 0, 0, 0),
    ]
}

/// An instruction, as the kernel lays it out on a little-endian machine.
fn instruction(code: u8, to: u8, from: u8, offset: i16, number: i32) -> u64 {
    let [o0, o1] = offset.to_le_bytes();
    let [n0, n1, n2, n3] = number.to_le_bytes();
    u64::from_le_bytes([code, from << 4 | to, o0, o1, n0, n1, n2, n3])
}

fn load(instructions: &[u64]) -> io::Result<OwnedFd> {
    let [len, at, licence] = [
        instructions.len() as u64,
        instructions.as_ptr().expose_provenance() as u64,
        c"GPL".as_ptr().expose_provenance() as u64,
    ];
    // Kind and length, instructions, licence, no log, flags and name, and where it is to be attached.
    let mut attributes = [
        u64::from(SOCK_ADDR) | len << 32,
        at,
        licence,
        0,
        0,
        0,
        0,
        0,
        u64::from(CONNECT4) << 32,
    ];
    make(PROG_LOAD, &mut attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hooks_say_what_the_socket_says() {
        // Without root, neither can be asked here.
        let Some(learnt) = learn() else {
            return;
        };
        if let Some(told) = crate::host::cookie_of_a_socket() {
            assert_eq!(learnt, told);
        }
    }

    #[test]
    fn the_first_unified_hierarchy_is_taken() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0\n";
        assert_eq!(
            root_among(mounts).as_deref(),
            Some("/sys/fs/cgroup/unified")
        );
        assert_eq!(root_among("proc /proc proc rw 0 0\n"), None);
    }
}
