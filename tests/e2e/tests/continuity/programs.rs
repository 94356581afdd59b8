//! Which programs serve, asked of the kernel.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use anyhow::{Context as _, Result};

/// Name of each pinned link of a version, and the id of the program on it, sorted.
pub(crate) fn programs(pins: &Path, version: u32) -> Result<Vec<(String, u32)>> {
    let directory = pins.join(format!("v{version}/links"));
    let entries = fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        found.push((name.into_owned(), program(&path)?));
    }
    found.sort();
    Ok(found)
}

fn program(pin: &Path) -> Result<u32> {
    let link = get(pin).with_context(|| pin.display().to_string())?;
    let told = fs::read_to_string(format!("/proc/self/fdinfo/{}", link.as_raw_fd()))?;
    let id = told.lines().find_map(|line| line.strip_prefix("prog_id:"));
    Ok(id.context("not a link")?.trim().parse()?)
}

fn get(pin: &Path) -> io::Result<OwnedFd> {
    const OBJ_GET: libc::c_int = 7;
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let mut attributes = [path.as_ptr().expose_provenance() as u64, 0];
    // SAFETY: the attributes are as long as said, and the path in them lives until the call is over.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            OBJ_GET,
            attributes.as_mut_ptr(),
            size_of_val(&attributes),
        )
    };
    match libc::c_int::try_from(fd) {
        // SAFETY: a descriptor that the kernel has just made for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
