//! How the kernel's jiffies stand to its monotonic clock.
//!
//! A program gets the jiffies with one load, the clock with a call and whatever the hardware takes. Both advance
//! alike: the kernel counts jiffies by `CLOCK_MONOTONIC` (`tick_do_update_jiffies64`).

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::time::{ClockId, clock_getres, clock_gettime};

use crate::{host::bpf, probe::raw};

/// `BPF_PROG_TEST_RUN`.
const TEST_RUN: libc::c_int = 10;
/// `bpf_jiffies64` (Linux 5.5).
const JIFFIES64: i32 = 118;
/// The least that a test run of a socket-buffer program wants for a packet.
const FRAME: usize = 14;

/// What turns jiffies into nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Jiffies {
    /// Their number at the clock's zero.
    pub(crate) at_zero: u64,
    /// Nanoseconds in one of them; 0: this kernel does not tell.
    pub(crate) ns: u32,
}

/// Reads both. All zero where the kernel lacks the helper, or does not tell how long a jiffy is.
pub(crate) fn jiffies() -> Jiffies {
    read().unwrap_or_default()
}

fn read() -> Option<Jiffies> {
    // The coarse clock moves once a jiffy, and says so.
    let resolution = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).ok()?;
    let ns = u32::try_from(resolution.tv_nsec()).ok()?;
    // From 10 to 1000 and a few a second: anything else is no jiffy.
    if !(900_000..=100_000_000).contains(&ns) {
        return None;
    }
    let low = raw::program(&[raw::call(JIFFIES64), raw::EXIT]).ok()?;
    let high = raw::program(&[raw::call(JIFFIES64), raw::SHIFT_R0_BY_32, raw::EXIT]).ok()?;
    // Until both readings of the clock are of the same jiffy, which is nearly always at once.
    (0..100).find_map(|_| {
        let before = coarse()?;
        let (high, low) = (run(&high).ok()?, run(&low).ok()?);
        if coarse()? != before {
            return None;
        }
        let now = u64::from(high) << 32 | u64::from(low);
        let at_zero = now.wrapping_sub(before / u64::from(ns));
        Some(Jiffies { at_zero, ns })
    })
}

fn coarse() -> Option<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).ok()?;
    u64::try_from(i128::from(now.tv_sec()) * 1_000_000_000 + i128::from(now.tv_nsec())).ok()
}

/// What `BPF_PROG_TEST_RUN` reads and writes first.
#[repr(C)]
struct Run {
    program: u32,
    returned: u32,
    size_in: u32,
    size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}

fn run(program: &OwnedFd) -> io::Result<u32> {
    let frame = [0u8; FRAME];
    let mut attributes = Run {
        program: program.as_raw_fd().cast_unsigned(),
        returned: 0,
        size_in: FRAME as u32,
        size_out: 0,
        data_in: frame.as_ptr().expose_provenance() as u64,
        data_out: 0,
        repeat: 1,
        duration: 0,
    };
    bpf(TEST_RUN, &mut attributes)?;
    Ok(attributes.returned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jiffies_advance_with_the_clock() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let (one, other) = (jiffies(), jiffies());
        assert_ne!(one.ns, 0, "root may ask");
        assert_eq!(one.ns, other.ns);
        // Two readings may fall on two sides of a jiffy.
        assert!(
            one.at_zero.abs_diff(other.at_zero) <= 1,
            "{one:?} {other:?}"
        );
    }
}
