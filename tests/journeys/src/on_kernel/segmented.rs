//! Runs of super-packets, which the loader's own runs know nothing of.

use anyhow::{Context as _, Result};
use tidegate_rig::bpf;

use super::KernelMachine;
use crate::machine::Program;

const PROG_TEST_RUN: i32 = 10;
const PROG_GET_FD_BY_ID: i32 = 13;

/// `struct __sk_buff`: its size, and where `ifindex` and `gso_size` are (Linux 5.7).
const SKB: usize = 192;
const IFINDEX: usize = 40;
const GSO_SIZE: usize = 176;

impl KernelMachine {
    /// Runs a program of the second stage on a frame that is to be cut into segments of so many bytes. How many those
    /// are is not said, as `virtio_net`, `xen-netfront` and tap devices do not say it: the return code.
    ///
    /// # Errors
    /// The kernel refuses the run.
    pub fn run_segmented(
        &self,
        program: Program,
        frame: &[u8],
        device: u32,
        segment: u32,
    ) -> Result<i32> {
        let id = self.data_path.program_id(program.name())?;
        let fd = bpf::made(PROG_GET_FD_BY_ID, &[u64::from(id), 0])?;
        let mut context = [0u8; SKB];
        context[IFINDEX..IFINDEX + 4].copy_from_slice(&device.to_ne_bytes());
        context[GSO_SIZE..GSO_SIZE + 4].copy_from_slice(&segment.to_ne_bytes());
        let out = vec![0u8; frame.len() + 256];
        let address = |bytes: &[u8]| bytes.as_ptr().expose_provenance() as u64;
        let both = |low: usize, high: usize| low as u64 | (high as u64) << 32;
        // prog_fd and retval, data_size_in and _out, data_in, data_out, repeat and duration, ctx_size_in and _out, ctx_in,
        // ctx_out.
        let mut attributes = [
            bpf::of(&fd),
            both(frame.len(), out.len()),
            address(frame),
            address(&out),
            1,
            both(SKB, 0),
            address(&context),
            0,
        ];
        bpf::call(PROG_TEST_RUN, &mut attributes).context("a run of a super-packet")?;
        Ok((attributes[0] >> 32) as u32 as i32)
    }
}
