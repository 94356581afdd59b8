//! Objects behind pins: opened, pinned, detached, and what the kernel says of them.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use crate::{
    error::{Error, Step as _},
    fault,
    host::bpf,
};

const OBJ_PIN: libc::c_int = 6;
const OBJ_GET: libc::c_int = 7;
const LINK_UPDATE: libc::c_int = 29;
const LINK_DETACH: libc::c_int = 34;

/// The object behind a pin; `None`: there is none.
pub(crate) fn open(pin: &Path) -> Option<OwnedFd> {
    let path = CString::new(pin.as_os_str().as_bytes()).ok()?;
    let fd = bpf(OBJ_GET, &mut [path.as_ptr().expose_provenance() as u64]).ok()?;
    Some(own(fd))
}

/// Owns what a call of bpf(2) that makes descriptors has returned.
pub(crate) fn own(fd: libc::c_int) -> OwnedFd {
    // SAFETY: a descriptor that the kernel has just made for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Pins an object, which may be pinned elsewhere as well.
pub(crate) fn pin(object: BorrowedFd<'_>, at: &Path) -> Result<(), Error> {
    let pin = || -> io::Result<()> {
        let path = CString::new(at.as_os_str().as_bytes()).map_err(io::Error::other)?;
        let path = path.as_c_str();
        let mut attributes = [path.as_ptr().expose_provenance() as u64, number(object)];
        bpf(OBJ_PIN, &mut attributes).map(|_zero| ())
    };
    pin().step(format_args!("cannot pin {}", at.display()))?;
    fault::point();
    Ok(())
}

/// Makes sure that this object is pinned there, and no other; `true`: it was not. `id` is what its kind is
/// known by, `map_id:` or `link_id:`.
pub(crate) fn put_back(object: BorrowedFd<'_>, at: &Path, id: &str) -> Result<bool, Error> {
    let ours: Option<u32> = told(object, id);
    match open(at) {
        Some(there) if told(borrow(&there), id) == ours => return Ok(false),
        _ => remove_file(at)?,
    }
    pin(object, at)?;
    Ok(true)
}

/// Puts another program into a link, in one step for the packets that pass.
pub(crate) fn update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let fds = number(link) | number(program) << 32;
    let _zero = bpf(LINK_UPDATE, &mut [fds, 0])?;
    fault::point();
    Ok(())
}

/// Detaches a link. What is none, or is detached already, stays as it is.
pub(crate) fn detach(link: BorrowedFd<'_>) {
    let _not_a_link = bpf(LINK_DETACH, &mut [number(link)]);
}

/// What the kernel says of an object: the value in the line of its fdinfo that begins so.
pub(crate) fn told<T: std::str::FromStr>(object: BorrowedFd<'_>, what: &str) -> Option<T> {
    let path = format!("/proc/self/fdinfo/{}", object.as_raw_fd());
    let told = std::fs::read_to_string(path).ok()?;
    let value = told.lines().find_map(|line| line.strip_prefix(what))?;
    value.trim().parse().ok()
}

/// Removes a pin, and with it the link, if there is one: at once, where the pin alone would take it
/// along when the kernel gets to it, and the place would be taken until then.
pub(crate) fn remove(pin: &Path) -> Result<(), Error> {
    if let Some(object) = open(pin) {
        // Maps cannot be detached, and stay as they are.
        detach(borrow(&object));
    }
    remove_file(pin)?;
    fault::point();
    Ok(())
}

fn remove_file(pin: &Path) -> Result<(), Error> {
    match std::fs::remove_file(pin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).step(format_args!("cannot remove {}", pin.display()))
        }
        _ => Ok(()),
    }
}

pub(crate) fn borrow(fd: &OwnedFd) -> BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(fd)
}

fn number(fd: BorrowedFd<'_>) -> u64 {
    u64::from(fd.as_raw_fd().cast_unsigned())
}
