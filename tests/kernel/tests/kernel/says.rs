//! What the kernel itself says about links, programs and hooks, asked without aya or the loader.

use std::{
    collections::HashMap,
    fs,
    os::fd::AsRawFd as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tidegate_rig::bpf::{call, made, of, pinned};

const MAP_LOOKUP: libc::c_int = 1;
const MAP_DELETE: libc::c_int = 3;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;
const LINK_UPDATE: libc::c_int = 29;
const LINK_GET_FD_BY_ID: libc::c_int = 30;

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
    let fd = pinned(pin)?;
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

/// Puts another program into the link behind a pin.
pub(crate) fn replace(pin: &Path, program: u32) -> Result<()> {
    let link = pinned(pin)?;
    let program = made(PROG_GET_FD_BY_ID, &[u64::from(program)])?;
    call(LINK_UPDATE, &mut [of(&link) | of(&program) << 32, 0]).context("cannot replace")?;
    Ok(())
}

/// Id of the map behind a pin.
pub(crate) fn map_at(pin: &Path) -> Result<u32> {
    let map = pinned(pin)?;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd()))?;
    let id = text.lines().find_map(|line| line.strip_prefix("map_id:"));
    Ok(id.context("not a map")?.trim().parse()?)
}

/// Ids of the programs in a program array of two.
pub(crate) fn programs_in(pin: &Path) -> Result<[Option<u32>; 2]> {
    let map = pinned(pin)?;
    Ok([0_u32, 1].map(|key| {
        let mut id = 0_u32;
        let (key, value) = ((&raw const key).addr(), (&raw mut id).addr());
        let found = call(MAP_LOOKUP, &mut [of(&map), key as u64, value as u64, 0]);
        // The kernel has written there, which the compiler cannot know.
        found.ok().map(|_zero| std::hint::black_box(id))
    }))
}

/// Removes an entry of a map with numbers for keys.
pub(crate) fn clear(pin: &Path, key: u32) -> Result<()> {
    let map = pinned(pin)?;
    call(
        MAP_DELETE,
        &mut [of(&map), (&raw const key).addr() as u64, 0],
    )
    .context("cannot delete")?;
    Ok(())
}

/// Waits until a link is gone.
pub(crate) fn link_goes(id: u32) -> Result<()> {
    soon(|| match made(LINK_GET_FD_BY_ID, &[u64::from(id)]) {
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
    let fd = made(PROG_GET_FD_BY_ID, &[u64::from(id)]).context("no such program")?;
    let mut info = [0_u8; NAME.end];
    let sizes = of(&fd) | (info.len() as u64) << 32;
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
