//! What others have taken away is put back (rule 5.1.11), and what they took while no agent ran is found again.

use std::{
    collections::BTreeSet,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use crate::{
    DataPath, detach,
    error::{Error, Step as _},
    host::{self, bpf},
    load::lay_asides,
    object::{PINNED, Pins},
    pinned,
};

const PROG_GET_FD_BY_ID: libc::c_int = 13;
const MAP_GET_FD_BY_ID: libc::c_int = 14;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
/// Maps of one program that are looked at: no program of ours has more.
const MAPS: usize = 64;
/// The kernel keeps so many bytes of a name.
const NAME: usize = 15;

impl DataPath {
    /// Pins of maps and links that somebody has removed, or put something else in the place of, are made again;
    /// returns what was restored.
    pub fn restore_pins(&mut self) -> Result<Vec<String>, Error> {
        self.restore_directories()?;
        let mut restored = Vec::new();
        for (name, map) in &self.maps {
            if pinned::put_back(map.as_fd(), &self.pins.maps.join(name), "map_id:")? {
                restored.push(format!("map {name}"));
            }
        }
        for (pin, link) in &self.links {
            // One that was detached is attached anew, see `lost_devices`.
            if link.hangs() && pinned::put_back(link.fd(), pin, "link_id:")? {
                let name = pin.file_name().unwrap_or_default().to_string_lossy();
                restored.push(format!("link {name}"));
            }
        }
        if lay_asides(&mut self.asides, &self.ebpf)? {
            restored.push("programs for rare packets".to_owned());
        }
        Ok(restored)
    }

    fn restore_directories(&mut self) -> Result<(), Error> {
        let is_whole = self.pins.maps.is_dir() && self.pins.links.is_dir();
        if is_whole {
            return Ok(());
        }
        let had_root = self.bpffs.is_dir();
        host::prepare_bpffs(&self.bpffs)?;
        if !had_root {
            // The lock of whoever started us is on the directory that is gone.
            self.lock = Some(host::lock(&self.bpffs)?);
        }
        make_directories(&self.pins)
    }
}

pub(crate) fn make_directories(pins: &Pins) -> Result<(), Error> {
    [&pins.maps, &pins.links].into_iter().try_for_each(|it| {
        std::fs::create_dir_all(it).step(format_args!("cannot create {}", it.display()))
    })
}

/// Pins the maps again whose pins somebody has removed while no agent ran: the programs of the last run still
/// use them.
pub(crate) fn find_maps(pins: &Pins) -> Result<(), Error> {
    let is_missing = |name: &&str| !pins.maps.join(name).exists();
    // Some names are told apart by what the kernel does not keep of them.
    let mut missing: BTreeSet<&str> = PINNED.into_iter().filter(is_missing).collect();
    missing.retain(|name| name.len() <= NAME);
    let mut seen = BTreeSet::new();
    for link in detach::names(&pins.links)? {
        if missing.is_empty() {
            break;
        }
        let Some(link) = pinned::open(&pins.links.join(link)) else {
            continue;
        };
        let Some(program) = pinned::told::<u32>(link.as_fd(), "prog_id:") else {
            continue;
        };
        for id in maps_of(program) {
            if !seen.insert(id) {
                continue;
            }
            if let Some(map) = by_id(MAP_GET_FD_BY_ID, id)
                && let Some(name) = name_of(&map).and_then(|name| missing.take(name.as_str()))
            {
                pinned::pin(map.as_fd(), &pins.maps.join(name))?;
            }
        }
    }
    Ok(())
}

/// The beginning of `struct bpf_prog_info` (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct ProgramInfo {
    before: [u64; 6],
    created_by_uid: u32,
    map_count: u32,
    maps: u64,
}

/// The beginning of `struct bpf_map_info`.
#[repr(C)]
#[derive(Default)]
struct MapInfo {
    numbers: [u32; 6],
    name: [u8; 16],
}

/// Ids of the maps of a program.
pub(crate) fn maps_of(program: u32) -> Vec<u32> {
    let Some(program) = by_id(PROG_GET_FD_BY_ID, program) else {
        return Vec::new();
    };
    let mut ids = vec![0u32; MAPS];
    let mut info = ProgramInfo {
        map_count: MAPS as u32,
        maps: ids.as_mut_ptr().expose_provenance() as u64,
        ..ProgramInfo::default()
    };
    if !ask(&program, &mut info) {
        return Vec::new();
    }
    ids.truncate(info.map_count as usize);
    ids
}

fn name_of(map: &OwnedFd) -> Option<String> {
    let mut info = MapInfo::default();
    if !ask(map, &mut info) {
        return None;
    }
    let name = info.name.split(|byte| *byte == 0).next()?;
    String::from_utf8(name.to_vec()).ok()
}

fn ask<T>(object: &OwnedFd, info: &mut T) -> bool {
    let fd = u64::from(object.as_raw_fd().cast_unsigned());
    let size = size_of::<T>() as u64;
    let info = std::ptr::from_mut(info).expose_provenance() as u64;
    bpf(OBJ_GET_INFO_BY_FD, &mut [fd | size << 32, info]).is_ok()
}

fn by_id(command: libc::c_int, id: u32) -> Option<OwnedFd> {
    let fd = bpf(command, &mut [u64::from(id), 0]).ok()?;
    Some(pinned::own(fd))
}
