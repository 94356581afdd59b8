//! Reading maps many entries at a time: `BPF_MAP_LOOKUP_BATCH` (Linux 5.6).

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use crate::host::bpf;

const LOOKUP_BATCH: libc::c_int = 24;
/// The kernel keeps its place in a bucket's number or in a key, whichever the map's kind asks for.
const PLACE: usize = 64;

/// The attributes of a batched lookup (include/uapi/linux/bpf.h).
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

/// A walk over a map. It shows every entry once, unless the map changes meanwhile: then some are missed, or
/// come twice.
pub(crate) struct Walk<'a> {
    map: &'a OwnedFd,
    place: [u8; PLACE],
    is_first: bool,
    is_over: bool,
}

impl<'a> Walk<'a> {
    /// The map's keys must not be longer than 64 bytes.
    pub(crate) fn of(map: &'a OwnedFd) -> Self {
        Self {
            map,
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
