//! bpf(2) as the tests need it, without aya or the loader: what they say is held against what the kernel says.

use std::{
    ffi::CString,
    io::Error,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use anyhow::{Context as _, Result};

const OBJ_GET: libc::c_int = 7;
const LINK_DETACH: libc::c_int = 34;

/// What is pinned there.
pub fn pinned(pin: &Path) -> Result<OwnedFd> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    made(OBJ_GET, &[path.as_ptr().expose_provenance() as u64, 0])
        .with_context(|| format!("nothing is pinned at {}", pin.display()))
}

/// Detaches the link behind a pin, as `bpftool link detach` does; the pin stays.
pub fn detach(pin: &Path) -> Result<()> {
    let link = pinned(pin)?;
    call(LINK_DETACH, &mut [of(&link)]).context("cannot detach")?;
    Ok(())
}

/// A descriptor as it stands in the attributes.
pub fn of(fd: &OwnedFd) -> u64 {
    u64::from(fd.as_raw_fd().cast_unsigned())
}

/// A command that makes a descriptor.
pub fn made(command: libc::c_int, attributes: &[u64]) -> Result<OwnedFd, Error> {
    let fd = call(command, &mut attributes.to_vec())?;
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Any command; addresses in the attributes are the caller's, and so is what lies there.
pub fn call(command: libc::c_int, attributes: &mut [u64]) -> Result<RawFd, Error> {
    let size = size_of_val(attributes);
    // SAFETY: the kernel reads and writes `size` bytes of attributes; what they point to, with its
    // length beside it, lives in the callers.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size) };
    match RawFd::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(Error::last_os_error()),
    }
}
