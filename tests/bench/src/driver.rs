//! The programs that make packets, loaded, and runs of them.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, PerCpuArray, PerCpuValues, ProgramArray},
    programs::{
        ProgramFd, ProgramInfo, SchedClassifier, TestRun as _, TestRunOptions, Xdp, loaded_programs,
    },
    util::nr_cpus,
};
use bytemuck::{Pod, Zeroable};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tidegate-bench-ebpf"));

/// Which packets are made; the twin of the eBPF side's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Plan {
    /// The first 64 bytes of the packet; the fields that differ are zero, and checksums fit that.
    pub(crate) template: [u8; 64],
    /// Number of flows less one; a power of two less one.
    pub(crate) mask: u32,
    /// Bits of [`side`].
    pub(crate) side: u32,
    /// The device by which `send` sends.
    pub(crate) device: u32,
    /// The device that the ceilings send to.
    pub(crate) target: u32,
}

impl Plan {
    /// Packets like this one of at least 64 bytes, of so many flows.
    pub(crate) fn of(packet: &[u8], flows: u32, side: u32) -> Self {
        let mut template = [0; 64];
        template.copy_from_slice(&packet[..64]);
        Self {
            template,
            mask: flows - 1,
            side,
            device: 0,
            target: 0,
        }
    }
}

/// Which fields differ from flow to flow.
pub(crate) mod side {
    pub(crate) const V6: u32 = 1;
    /// The destination differs: these are replies.
    pub(crate) const DESTINATION: u32 = 2;
    pub(crate) const TCP: u32 = 4;
    /// The flows come in another order: records that were made in the order in which they are used lie in memory
    /// as nobody's do.
    pub(crate) const OTHER_ORDER: u32 = 8;
    /// Datagrams that arrive at a backend are answered.
    pub(crate) const ANSWERED: u32 = 16;
}

/// The two kinds of packet program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hook {
    Xdp,
    Tc,
}

/// As aya needs it to be said.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Words([u32; 20]);

// SAFETY: plain integers without padding.
unsafe impl aya::Pod for Words {}

pub(crate) struct Driver {
    pub(crate) ebpf: Ebpf,
    /// The packet as it is handed to the kernel: what is behind the template stays as it is here.
    pub(crate) frame: Vec<u8>,
}

impl Driver {
    pub(crate) fn load() -> Result<Self> {
        let mut ebpf = EbpfLoader::new()
            .load(OBJECT)
            .context("the benchmark's programs")?;
        for name in [
            "drive_xdp",
            "nothing_xdp",
            "send",
            "sink_xdp",
            "ceiling_tx",
            "yardstick",
        ] {
            let program: &mut Xdp = ebpf.program_mut(name).context(name)?.try_into()?;
            program.load().context(name)?;
        }
        for name in [
            "drive_tc",
            "nothing_tc",
            "sink_tc",
            "ceiling_peer",
            "ceiling_neigh",
            "ceiling_redirect",
        ] {
            let program: &mut SchedClassifier = ebpf.program_mut(name).context(name)?.try_into()?;
            program.load().context(name)?;
        }
        Ok(Self {
            ebpf,
            frame: Vec::new(),
        })
    }

    pub(crate) fn plan(&mut self, plan: &Plan) -> Result<()> {
        let map = self.ebpf.map_mut("plan").context("map plan")?;
        let mut map: Array<_, Words> = map.try_into()?;
        map.set(0, &Words(bytemuck::cast(*plan)), 0)?;
        Ok(())
    }

    /// The next packet is of the flow with this number.
    pub(crate) fn rewind_to(&mut self, flow: u32) -> Result<()> {
        self.set_counter("made", flow.into())
    }

    pub(crate) fn arrived(&mut self) -> Result<u64> {
        let map = self.ebpf.map("arrived").context("map arrived")?;
        let map: PerCpuArray<_, u64> = map.try_into()?;
        Ok(map.get(&0, 0)?.iter().sum())
    }

    fn set_counter(&mut self, name: &'static str, value: u64) -> Result<()> {
        let map = self.ebpf.map_mut(name).context(name)?;
        let mut map: PerCpuArray<_, u64> = map.try_into()?;
        let cpus = nr_cpus().map_err(|(what, error)| anyhow::anyhow!("{what}: {error}"))?;
        map.set(
            0,
            PerCpuValues::try_from(vec![value; cpus.get() as usize])?,
            0,
        )?;
        Ok(())
    }

    /// The id of one of these programs.
    pub(crate) fn id(&self, name: &'static str) -> Result<u32> {
        Ok(self.ebpf.program(name).context(name)?.info()?.id())
    }

    /// What the driver calls: a program by its id, or the one that does nothing.
    pub(crate) fn aim(&mut self, hook: Hook, target: Option<u32>) -> Result<()> {
        let (map, nothing) = match hook {
            Hook::Xdp => ("xdp_target", "nothing_xdp"),
            Hook::Tc => ("tc_target", "nothing_tc"),
        };
        let id = match target {
            Some(id) => id,
            None => self.id(nothing)?,
        };
        let fd = program_fd(id)?;
        let mut map: ProgramArray<_> = self.ebpf.map_mut(map).context(map)?.try_into()?;
        map.set(0, &fd, 0)
            .with_context(|| format!("{hook:?}: program {id} cannot be called"))
    }

    /// Nanoseconds for each of so many packets, and what the last one came to.
    pub(crate) fn run(
        &self,
        hook: Hook,
        device: u32,
        len: usize,
        repeat: u32,
    ) -> Result<(f64, u32)> {
        // The driver counts its packets on each CPU for itself.
        stay_on_one_cpu()?;
        let mut frame = self.frame.clone();
        frame.resize(len, 0);
        let mut options = TestRunOptions::new();
        options.data_in = Some(&frame);
        options.repeat = repeat;
        let context = context(hook, device, len);
        options.ctx_in = Some(&context);
        let result = match hook {
            Hook::Xdp => {
                let program: &Xdp = self
                    .ebpf
                    .program("drive_xdp")
                    .context("drive_xdp")?
                    .try_into()?;
                program.test_run(options)?
            }
            Hook::Tc => {
                let program: &SchedClassifier = self
                    .ebpf
                    .program("drive_tc")
                    .context("drive_tc")?
                    .try_into()?;
                program.test_run(options)?
            }
        };
        Ok((result.duration.as_nanos() as f64, result.return_value))
    }
}

/// `struct xdp_md`, or what may be set of `struct __sk_buff`: as if the packet had entered at this device.
fn context(hook: Hook, device: u32, len: usize) -> Vec<u8> {
    const SKB: usize = 192;
    const SKB_IFINDEX: usize = 40;
    match hook {
        Hook::Xdp => [0, len as u32, 0, device, 0, 0]
            .iter()
            .flat_map(|it: &u32| it.to_ne_bytes())
            .collect(),
        Hook::Tc => {
            let mut context = vec![0; SKB];
            context[SKB_IFINDEX..SKB_IFINDEX + 4].copy_from_slice(&device.to_ne_bytes());
            context
        }
    }
}

/// Keeps this thread on the CPU that sends and forwards.
pub(crate) fn stay_on_one_cpu() -> Result<()> {
    let mut one = CpuSet::new();
    one.set(1)?;
    sched_setaffinity(Pid::from_raw(0), &one).context("CPU 1")
}

fn program_fd(id: u32) -> Result<ProgramFd> {
    let found =
        loaded_programs().find_map(|info| info.ok().filter(|info: &ProgramInfo| info.id() == id));
    Ok(found
        .with_context(|| format!("no program has the id {id}"))?
        .fd()?)
}
