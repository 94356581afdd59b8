//! What the kernel itself says about links, programs and hooks, asked without aya or the loader.

use std::{
    collections::HashMap,
    ffi::CString,
    fs,
    io::Error,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

const MAP_LOOKUP: libc::c_int = 1;
const MAP_DELETE: libc::c_int = 3;
const OBJ_GET: libc::c_int = 7;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;
const LINK_UPDATE: libc::c_int = 29;
const LINK_GET_FD_BY_ID: libc::c_int = 30;
const LINK_DETACH: libc::c_int = 34;

/// `BPF_TCX_INGRESS` and `BPF_TCX_EGRESS`.
pub(crate) const TCX_INGRESS: u32 = 46;
pub(crate) const TCX_EGRESS: u32 = 47;

/// A BPF link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Link {
    /// `xdp`, `tcx` or `cgroup`.
    pub(crate) kind: String,
    pub(crate) id: u32,
    /// Id of the program on it.
    pub(crate) program: u32,
    /// Index of the device; 0 or `None`: none, or none any more.
    pub(crate) device: Option<u32>,
}

/// The link behind a pin.
pub(crate) fn link_at(pin: &Path) -> Result<Link> {
    let fd = get(pin)?;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
    let facts: HashMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once(":\t"))
        .collect();
    let number = |name: &str| -> Option<u32> { facts.get(name)?.parse().ok() };
    let kind = facts.get("link_type");
    Ok(Link {
        kind: (*kind.with_context(|| format!("not a link: {text}"))?).to_owned(),
        id: number("link_id").context("a link without id")?,
        program: number("prog_id").context("a link without program")?,
        device: number("ifindex"),
    })
}

/// Detaches the link behind a pin, as `bpftool link detach` does.
pub(crate) fn detach(pin: &Path) -> Result<()> {
    let link = get(pin)?;
    let fd = u64::from(link.as_raw_fd().cast_unsigned());
    call(LINK_DETACH, &mut [fd]).context("cannot detach")?;
    Ok(())
}

/// Puts another program into the link behind a pin.
pub(crate) fn replace(pin: &Path, program: u32) -> Result<()> {
    let link = get(pin)?;
    let program = bpf(PROG_GET_FD_BY_ID, &[u64::from(program)])?;
    let fd = |fd: &OwnedFd| u64::from(fd.as_raw_fd().cast_unsigned());
    call(LINK_UPDATE, &mut [fd(&link) | fd(&program) << 32, 0]).context("cannot replace")?;
    Ok(())
}

/// Id of the map behind a pin.
pub(crate) fn map_at(pin: &Path) -> Result<u32> {
    let map = get(pin)?;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd()))?;
    let id = text.lines().find_map(|line| line.strip_prefix("map_id:"));
    Ok(id.context("not a map")?.trim().parse()?)
}

/// Ids of the programs in a program array of two.
pub(crate) fn programs_in(pin: &Path) -> Result<[Option<u32>; 2]> {
    let map = get(pin)?;
    Ok([0_u32, 1].map(|key| {
        let mut id = 0_u32;
        let (key, value) = ((&raw const key).addr(), (&raw mut id).addr());
        let fd = u64::from(map.as_raw_fd().cast_unsigned());
        let found = call(MAP_LOOKUP, &mut [fd, key as u64, value as u64, 0]);
        // The kernel has written there, which the compiler cannot know.
        found.ok().map(|_zero| std::hint::black_box(id))
    }))
}

/// Removes an entry of a map with numbers for keys.
pub(crate) fn clear(pin: &Path, key: u32) -> Result<()> {
    let map = get(pin)?;
    let fd = u64::from(map.as_raw_fd().cast_unsigned());
    call(MAP_DELETE, &mut [fd, (&raw const key).addr() as u64, 0]).context("cannot delete")?;
    Ok(())
}

fn get(pin: &Path) -> Result<OwnedFd> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    bpf(OBJ_GET, &[path.as_ptr().addr() as u64])
        .with_context(|| format!("nothing is pinned at {}", pin.display()))
}

/// Waits until a link is gone.
pub(crate) fn link_goes(id: u32) -> Result<()> {
    soon(|| match bpf(LINK_GET_FD_BY_ID, &[u64::from(id)]) {
        Ok(_) => bail!("link {id} is still there"),
        Err(_) => Ok(()),
    })
}

/// Tries until it succeeds: the kernel takes a link down a moment after its last reference went.
pub(crate) fn soon(mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match check() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            result => return result,
        }
    }
}

/// The name of a loaded program.
pub(crate) fn program_name(id: u32) -> Result<String> {
    const NAME: std::ops::Range<usize> = 64..80;
    let fd = bpf(PROG_GET_FD_BY_ID, &[u64::from(id)]).context("no such program")?;
    let mut info = [0_u8; NAME.end];
    let sizes = u64::from(fd.as_raw_fd().cast_unsigned()) | (info.len() as u64) << 32;
    call(
        OBJ_GET_INFO_BY_FD,
        &mut [sizes, info.as_mut_ptr().addr() as u64],
    )?;
    let name = info[NAME].split(|byte| *byte == 0).next();
    Ok(String::from_utf8(name.unwrap_or_default().to_vec())?)
}

/// Ids of the programs at a hook of a device of the present namespace, or of a cgroup's descriptor.
pub(crate) fn programs_at(target: u32, hook: u32) -> Result<Vec<u32>> {
    let mut ids = [0_u32; 64];
    let mut attributes = [0_u64; 8];
    attributes[0] = u64::from(target) | u64::from(hook) << 32;
    attributes[2] = ids.as_mut_ptr().addr() as u64;
    attributes[3] = ids.len() as u64;
    match call(PROG_QUERY, &mut attributes) {
        // A device on which there never was any.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(Vec::new()),
        result => result.context("cannot ask what is attached")?,
    };
    let count = u32::try_from(attributes[3] & 0xffff_ffff)?;
    Ok(ids[..count as usize].to_vec())
}

/// A command that makes a descriptor.
fn bpf(command: libc::c_int, attributes: &[u64]) -> Result<OwnedFd, Error> {
    let fd: RawFd = call(command, &mut attributes.to_vec())?;
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn call(command: libc::c_int, attributes: &mut [u64]) -> Result<RawFd, Error> {
    let size = size_of_val(attributes);
    // SAFETY: the kernel reads and writes `size` bytes of attributes; what they point to, with its
    // length beside it, lives in the callers.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size) };
    match RawFd::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(Error::last_os_error()),
    }
}
