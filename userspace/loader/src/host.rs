//! What the loader needs to know about this host.

use std::{fs::File, io, os::fd::AsRawFd as _, path::Path};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::statfs::BPF_FS_MAGIC,
};

use crate::{
    cookie,
    error::{Error, Step as _},
};

/// `SO_NETNS_COOKIE` (Linux 5.14).
const SO_NETNS_COOKIE: libc::c_int = 71;

/// Takes the directory for one agent, until the returned lock is dropped.
pub fn lock(directory: &Path) -> Result<Flock<File>, Error> {
    let shown = directory.display();
    let handle = File::open(directory).step(format_args!("cannot open {shown}"))?;
    Flock::lock(handle, FlockArg::LockExclusiveNonblock).map_err(|(_handle, errno)| match errno {
        nix::errno::Errno::EWOULDBLOCK => Error::new(format!(
            "another tidegate uses {shown}; stop it, or give this one its own --bpffs, --state-dir and --api"
        )),
        errno => Error::because(format_args!("cannot lock {shown}"), errno),
    })
}

/// Makes sure that a directory is on a mounted bpffs, creating it.
pub(crate) fn prepare_bpffs(directory: &Path) -> Result<(), Error> {
    let mount = directory
        .ancestors()
        .find(|path| path.is_dir())
        .unwrap_or(Path::new("/"));
    let kind = nix::sys::statfs::statfs(mount)
        .step(format_args!("cannot look at {}", mount.display()))?
        .filesystem_type();
    if kind != BPF_FS_MAGIC {
        return Err(Error::new(format!(
            "{} is not on a bpffs; mount one: mount -t bpf bpf /sys/fs/bpf",
            directory.display()
        )));
    }
    std::fs::create_dir_all(directory).step(format_args!("cannot create {}", directory.display()))
}

/// Whether this is in a mounted bpffs.
pub(crate) fn is_bpffs(path: &Path) -> bool {
    let kind = nix::sys::statfs::statfs(path).map(|it| it.filesystem_type());
    kind.is_ok_and(|kind| kind == BPF_FS_MAGIC)
}

/// The cookie of the present network namespace.
pub(crate) fn netns_cookie() -> Option<u64> {
    cookie_of_a_socket().or_else(cookie::learn)
}

/// The same, as a socket tells it; `None` before Linux 5.14.
pub(crate) fn cookie_of_a_socket() -> Option<u64> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")
        .or_else(|_no_v4| std::net::UdpSocket::bind("[::1]:0"))
        .or_else(|_down| std::net::UdpSocket::bind("0.0.0.0:0"))
        .ok()?;
    let mut cookie = 0u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the buffer is a u64 and `len` says so.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    (failed == 0 && cookie != 0).then_some(cookie)
}

/// Whether a device of the present network namespace sits on a bus: hardware, a virtual machine's
/// included, whose driver completes checksums before XDP sees the frame. `/sys/class/net` would show
/// the devices of the namespace in which /sys was mounted.
pub fn has_driver(device: &str) -> bool {
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    const GET_DRIVER: u32 = 3;
    /// Offset and length of `bus_info` in `struct ethtool_drvinfo`, which has 196 bytes.
    const BUS: std::ops::Range<usize> = 100..132;
    let Ok(socket) = std::net::UdpSocket::bind("0.0.0.0:0") else {
        return false;
    };
    let Some(mut request) = request_about(device) else {
        return false;
    };
    let mut info = [0u8; 196];
    info[..4].copy_from_slice(&GET_DRIVER.to_ne_bytes());
    request.ifr_ifru.ifru_data = info.as_mut_ptr().cast();
    // SAFETY: the request names a buffer of the structure's size, which outlives the call.
    let failed = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    let bus = info[BUS]
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    failed == 0 && !matches!(bus, b"" | b"N/A" | b"tap" | b"tun")
}

/// The largest packet, from the IP header on, that a device of the present network namespace sends.
pub(crate) fn mtu(device: &str) -> Option<u32> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    let mut request = request_about(device)?;
    // SAFETY: the request is whole, and outlives the call.
    let failed =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU as _, &raw mut request) };
    // SAFETY: what the kernel has written there, or the zero that was.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    (failed == 0).then_some(mtu.cast_unsigned())
}

/// A question about a device; `None`: no device has so long a name.
fn request_about(device: &str) -> Option<libc::ifreq> {
    // SAFETY: an `ifreq` is plain integers and a pointer; all zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = device.as_bytes();
    if name.len() >= request.ifr_name.len() {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = from.cast_signed();
    }
    Some(request)
}

/// Whether the kernel is at least this version: for the few features that cannot be tried.
pub fn kernel_at_least(major: u32, minor: u32) -> bool {
    let Ok(name) = nix::sys::utsname::uname() else {
        return false;
    };
    let release = name.release().to_string_lossy().into_owned();
    let mut parts = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    version >= (major, minor)
}

/// What `BPF_PROG_QUERY` reads and writes.
#[repr(C)]
#[derive(Default)]
struct ProgramsAt {
    device: u32,
    attach: u32,
    query_flags: u32,
    attach_flags: u32,
    program_ids: u64,
    count: u32,
    padding: u32,
    program_flags: u64,
    link_ids: u64,
    link_flags: u64,
    revision: u64,
}

/// Numbers of the tcx links at the ingress of a device; none before Linux 6.6.
pub(crate) fn links_at(index: u32) -> Vec<u32> {
    const PROG_QUERY: libc::c_int = 16;
    const TCX_INGRESS: u32 = 46;
    /// As many as the kernel lets a device have.
    const MOST: u32 = 64;
    let mut programs = [0u32; MOST as usize];
    let mut links = [0u32; MOST as usize];
    let mut query = ProgramsAt {
        device: index,
        attach: TCX_INGRESS,
        program_ids: programs.as_mut_ptr().expose_provenance() as u64,
        count: MOST,
        link_ids: links.as_mut_ptr().expose_provenance() as u64,
        ..ProgramsAt::default()
    };
    if bpf(PROG_QUERY, &mut query).is_err() {
        return Vec::new();
    }
    // 0: attached without a link.
    let links = links.into_iter().take(query.count as usize);
    links.filter(|id| *id != 0).collect()
}

/// The system call bpf(2). Addresses in the attributes must be exposed: the kernel reads and writes there, and
/// the compiler must know that somebody may.
pub(crate) fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<libc::c_int> {
    let size = size_of::<T>();
    let attributes = std::ptr::from_mut(attributes);
    // SAFETY: the structure is the command's, and the memory that it points to lives in the caller and is as
    // large as it says.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    libc::c_int::try_from(result).map_err(io::Error::other)
}
