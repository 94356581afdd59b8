//! Walks the flow maps and removes old flows, beside the loop that writes maps: with descriptors of its own.
//!
//! Which flows are due is decided twice: here, on what was read in batches, and once more in the kernel by
//! the program `tc_sweep`, right before a pair is removed (rules 5.7.12 and 5.7.14).

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use aya::{
    maps::Map,
    programs::{ProgramFd, SchedClassifier},
};
use tidegate_abi::{
    Address, Family, Flow, FlowKey,
    flow::TICK_SHIFT,
    maps::{self as names, SWEEP_MOST},
};
use tidegate_datapath::sweep;

use crate::{
    DataPath,
    batch::Walk,
    error::{Error, Step as _},
    host::bpf,
    load::missing,
    object::SWEEP,
};

/// Records that are read at a time.
const BATCH: usize = 4096;
/// Bytes of the shortest frame: an Ethernet and an IPv6 header.
const LEAST: usize = 54;
/// `BPF_PROG_TEST_RUN`.
const TEST_RUN: libc::c_int = 10;

/// What sweeping needs of the data path.
#[derive(Debug)]
pub struct Sweeper {
    /// Those of each family.
    flows: [[OwnedFd; 2]; 2],
    program: OwnedFd,
}

/// The attributes of a run (include/uapi/linux/bpf.h), as far as they are used; the kernel takes the rest for zero.
#[repr(C)]
#[derive(Default)]
struct Run {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}

impl DataPath {
    /// What a thread needs to sweep.
    pub fn sweeper(&self) -> Result<Sweeper, Error> {
        let map = |name: &str| match self.ebpf.map(name) {
            Some(Map::LruHashMap(data)) => data.fd().as_fd().try_clone_to_owned().step(name),
            _ => Err(missing(name)),
        };
        let program: &SchedClassifier = self
            .ebpf
            .program(SWEEP)
            .ok_or_else(|| missing(SWEEP))?
            .try_into()
            .step(SWEEP)?;
        let program: &ProgramFd = program.fd().step(SWEEP)?;
        Ok(Sweeper {
            flows: [
                [map(names::FLOWS[0])?, map(names::OPENING[0])?],
                [map(names::FLOWS[1])?, map(names::OPENING[1])?],
            ],
            program: program.as_fd().try_clone_to_owned().step(SWEEP)?,
        })
    }
}

impl Sweeper {
    /// Removes the flows of one family that have been idle for too long; returns how many.
    pub fn sweep<A: Address>(&self) -> Result<u32, Error>
    where
        FlowKey<A>: bytemuck::Pod,
        Flow<A>: bytemuck::Pod,
    {
        self.sweep_showing(|_flow: &Flow<A>, _now| {})
    }

    /// The same, and shows every record on the way, with the tick of the data path's clock at the start.
    pub fn sweep_showing<A: Address>(
        &self,
        mut show: impl FnMut(&Flow<A>, u32),
    ) -> Result<u32, Error>
    where
        FlowKey<A>: bytemuck::Pod,
        Flow<A>: bytemuck::Pod,
    {
        let now = now_tick();
        let mut due = Vec::new();
        self.walk(|key: &FlowKey<A>, flow: &Flow<A>| {
            show(flow, now);
            if sweep::is_due(flow, now) {
                due.push(*key);
            }
        })?;
        let mut removed = 0;
        for keys in due.chunks(SWEEP_MOST as usize) {
            removed += self.remove(keys)?;
        }
        Ok(removed)
    }

    /// Shows every record once, unless the map changes meanwhile: then some are missed, or come twice.
    fn walk<A: Address>(&self, mut show: impl FnMut(&FlowKey<A>, &Flow<A>)) -> Result<(), Error>
    where
        FlowKey<A>: bytemuck::Pod,
        Flow<A>: bytemuck::Pod,
    {
        let mut keys = vec![<FlowKey<A> as bytemuck::Zeroable>::zeroed(); BATCH];
        let mut values = vec![<Flow<A> as bytemuck::Zeroable>::zeroed(); BATCH];
        for map in &self.flows[usize::from(A::FAMILY == Family::V6)] {
            let mut walk = Walk::of(map);
            while let Some(count) = walk
                .next(
                    bytemuck::cast_slice_mut(&mut keys),
                    bytemuck::cast_slice_mut(&mut values),
                    BATCH as u32,
                )
                .step("cannot read the flow records")?
            {
                for (key, flow) in keys.iter().zip(&values).take(count as usize) {
                    show(key, flow);
                }
            }
        }
        Ok(())
    }

    /// Asks the kernel to remove flows; it takes those that are still due.
    fn remove<A: Address>(&self, keys: &[FlowKey<A>]) -> Result<u32, Error>
    where
        FlowKey<A>: bytemuck::Pod,
    {
        let kind: [u8; 2] = match A::FAMILY {
            Family::V4 => [0x08, 0x00],
            Family::V6 => [0x86, 0xdd],
        };
        let mut frame = vec![0u8; 12];
        frame.extend_from_slice(&kind);
        frame.extend_from_slice(bytemuck::cast_slice(keys));
        // The kernel wants a whole IP header; keys of zeros name no flow.
        frame.resize(frame.len().max(LEAST), 0);
        let mut run = Run {
            prog_fd: fd(&self.program),
            data_size_in: frame.len() as u32,
            data_in: frame.as_ptr().expose_provenance() as u64,
            ..Run::default()
        };
        let _done = bpf(TEST_RUN, &mut run).step("cannot remove old flow records")?;
        Ok(run.retval)
    }
}

/// The data path's clock (rule 5.7.13).
pub(crate) fn now_tick() -> u32 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel fills the structure; CLOCK_MONOTONIC is always there.
    let _always: libc::c_int = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let ns = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
    (ns >> TICK_SHIFT) as u32
}

fn fd(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd() as u32
}
