//! Reading and writing maps many entries at a time: `BPF_MAP_LOOKUP_BATCH` and the like (Linux 5.6).
//!
//! Not every kind of map has them on every kernel. Whoever writes a batch is told how much of it was written, and
//! writes the rest one at a time if the kernel does not know the command.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd},
};

use crate::host::bpf;

const LOOKUP_BATCH: libc::c_int = 24;
const UPDATE_BATCH: libc::c_int = 26;
const DELETE_BATCH: libc::c_int = 27;
/// What the kernel answers where a kind of map has no such command; it has no name outside of the kernel.
const ENOTSUPP: i32 = 524;
/// The kernel keeps its place in a bucket's number or in a key, whichever the map's kind asks for.
const PLACE: usize = 64;

/// The attributes of a command for many entries (include/uapi/linux/bpf.h).
#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Whether the kernel does not know the command, for this kind of map or at all.
pub(crate) fn is_unknown(error: &io::Error) -> bool {
    let unknown = [libc::EINVAL, libc::EOPNOTSUPP, ENOTSUPP];
    error.raw_os_error().is_some_and(|it| unknown.contains(&it))
}

/// Sets entries in their order. The error comes with the number of those that were set before it.
pub(crate) fn update(
    map: BorrowedFd<'_>,
    keys: &[u8],
    values: &[u8],
    count: u32,
) -> Result<(), (u32, io::Error)> {
    change(UPDATE_BATCH, map, keys, values, count)
}

/// Removes entries in their order. The error comes with the number of those that were removed before it.
pub(crate) fn delete(map: BorrowedFd<'_>, keys: &[u8], count: u32) -> Result<(), (u32, io::Error)> {
    change(DELETE_BATCH, map, keys, &[], count)
}

fn change(
    command: libc::c_int,
    map: BorrowedFd<'_>,
    keys: &[u8],
    values: &[u8],
    count: u32,
) -> Result<(), (u32, io::Error)> {
    if count == 0 {
        return Ok(());
    }
    let mut batch = Batch {
        in_batch: 0,
        out_batch: 0,
        keys: keys.as_ptr().expose_provenance() as u64,
        // There are none for a removal, and the kernel does not ask then.
        values: if values.is_empty() {
            0
        } else {
            values.as_ptr().expose_provenance() as u64
        },
        count,
        map_fd: map.as_raw_fd() as u32,
        elem_flags: 0,
        flags: 0,
    };
    match bpf(command, &mut batch) {
        Ok(_zero) => Ok(()),
        // A kernel that does not know the command has not written to `count`.
        Err(error) if is_unknown(&error) && batch.count == count => Err((0, error)),
        Err(error) => Err((batch.count, error)),
    }
}

/// A walk over a map. It shows every entry once, unless the map changes meanwhile: then some are missed, or
/// come twice.
pub(crate) struct Walk<'a> {
    map: BorrowedFd<'a>,
    place: [u8; PLACE],
    is_first: bool,
    is_over: bool,
}

impl<'a> Walk<'a> {
    /// The map's keys must not be longer than 64 bytes.
    pub(crate) fn of(map: &'a impl AsFd) -> Self {
        Self {
            map: map.as_fd(),
            place: [0; PLACE],
            is_first: true,
            is_over: false,
        }
    }

    /// The next entries, at most `room` and as many as fit; `None`: there are no more.
    pub(crate) fn next(
        &mut self,
        keys: &mut [u8],
        values: &mut [u8],
        room: u32,
    ) -> io::Result<Option<u32>> {
        if self.is_over {
            return Ok(None);
        }
        let mut next = [0u8; PLACE];
        let mut batch = Batch {
            in_batch: if self.is_first {
                0
            } else {
                self.place.as_ptr().expose_provenance() as u64
            },
            out_batch: next.as_mut_ptr().expose_provenance() as u64,
            keys: keys.as_mut_ptr().expose_provenance() as u64,
            values: values.as_mut_ptr().expose_provenance() as u64,
            count: room,
            map_fd: self.map.as_raw_fd() as u32,
            elem_flags: 0,
            flags: 0,
        };
        // The kernel writes `count` keys and values, and the next place.
        let error = bpf(LOOKUP_BATCH, &mut batch).err();
        self.is_over = error.as_ref().and_then(io::Error::raw_os_error) == Some(libc::ENOENT);
        if let Some(error) = error
            && !self.is_over
        {
            return Err(error);
        }
        (self.place, self.is_first) = (next, false);
        Ok(Some(batch.count))
    }
}
