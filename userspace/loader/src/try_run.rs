//! One run of a loaded program on a frame that never was on a wire (`BPF_PROG_TEST_RUN`).

use aya::programs::{Program, SchedClassifier, TestRun as _, TestRunOptions, Xdp};

use crate::{
    DataPath,
    error::{Error, Step as _},
    host,
    load::missing,
};

/// Room for what an answer adds to a frame.
const ROOM: usize = 256;
/// Size of `struct __sk_buff` that is passed in, and where its `ifindex` is.
const SKB: usize = 192;
const SKB_IFINDEX: usize = 40;

/// Whether [`DataPath::try_run`] can run XDP programs: before Linux 5.14 the kernel says that every made-up frame
/// enters by the loopback.
pub fn can_try_xdp() -> bool {
    host::kernel_at_least(5, 14)
}

/// What came out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The program's return code: an XDP action or a tc verdict.
    pub code: i32,
    /// The frame afterwards.
    pub frame: Vec<u8>,
}

impl DataPath {
    /// Runs a packet program once, as if `frame` had entered at the device with this index.
    pub fn try_run(&self, program: &str, frame: &[u8], device: u32) -> Result<Outcome, Error> {
        let mut out = vec![0; frame.len() + ROOM];
        let mut context;
        let loaded = self.ebpf.program(program).ok_or_else(|| missing(program))?;
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut out);
        let what = format!("cannot try {program}");
        let result = match loaded {
            Program::Xdp(_) if !can_try_xdp() => {
                return Err(Error::new(format!(
                    "{what}: before Linux 5.14 an XDP program cannot be told where a made-up frame enters"
                )));
            }
            Program::Xdp(_) => {
                let end = u32::try_from(frame.len()).step(&what)?;
                context = Vec::new();
                for word in [0, end, 0, device, 0, 0] {
                    context.extend_from_slice(&u32::to_ne_bytes(word));
                }
                options.ctx_in = Some(&context);
                let loaded: &Xdp = loaded.try_into().step(&what)?;
                loaded.test_run(options).step(&what)?
            }
            _ => {
                context = vec![0; SKB];
                context[SKB_IFINDEX..SKB_IFINDEX + 4].copy_from_slice(&device.to_ne_bytes());
                options.ctx_in = Some(&context);
                let loaded: &SchedClassifier = loaded.try_into().step(&what)?;
                loaded.test_run(options).step(&what)?
            }
        };
        out.truncate(result.data_size_out as usize);
        Ok(Outcome {
            code: result.return_value.cast_signed(),
            frame: out,
        })
    }
}
