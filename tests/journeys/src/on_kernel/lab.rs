//! The programs, loaded once for the whole test binary, in a network namespace of their own.
//!
//! Namespace and pins lose their names as soon as they are made: open files hold them from then on, so
//! that nothing is left behind, however the process ends.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::panic;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, setns, unshare};
use tidegate_abi::ABI_VERSION;
use tidegate_loader::{DataPath, Options};

use super::{KernelMachine, affinity::Affinities, flows::Flows};
use crate::textbook;

/// Enough that the LRU never has to choose a victim.
const FLOWS: u32 = 1 << 17;

/// Runs `work` with the loaded programs, alone and inside their namespace.
///
/// # Panics
/// When they cannot be loaded, which needs root; and when `work` panics.
pub fn with_kernel<T: Send>(work: impl FnOnce(&mut KernelMachine) -> T + Send) -> T {
    with_kernel_of(FLOWS, work)
}

/// The same with flow maps of this size, if these are the first programs that this process loads.
///
/// # Panics
/// As [`with_kernel`].
pub fn with_kernel_of<T: Send>(flows: u32, work: impl FnOnce(&mut KernelMachine) -> T + Send) -> T {
    static LAB: OnceLock<Result<(File, Mutex<KernelMachine>), String>> = OnceLock::new();
    let lab = LAB.get_or_init(|| {
        let opened = on_a_thread(|| open(flows)).map_err(|error| format!("{error:#}"));
        opened.map(|(ns, machine)| (ns, Mutex::new(machine)))
    });
    let (ns, machine) = match lab {
        Ok(lab) => lab,
        Err(error) => panic!("the kernel's half of the journeys cannot run: {error}"),
    };
    // A test that failed leaves nothing behind that the next one does not write anew.
    let mut guard = machine.lock().unwrap_or_else(PoisonError::into_inner);
    let machine = &mut *guard;
    on_a_thread(|| {
        let entered = setns(ns.as_fd(), CloneFlags::CLONE_NEWNET);
        entered.expect("the namespace was made by this process");
        work(machine)
    })
}

/// A thread that enters a namespace is not left again: it ends.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let outcome = scope.spawn(work).join();
        outcome.unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}

fn open(flows: u32) -> Result<(File, KernelMachine)> {
    ensure!(tidegate_rig::is_root(), "it needs root");
    unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
    let ns = File::open("/proc/thread-self/ns/net").context("cannot open the namespace")?;
    build_network()?;
    let pins = tidegate_rig::Pins::new()?;
    let options = Options {
        bpffs: pins.to_path_buf(),
        flows,
        traffic: tidegate_abi::maps::TRAFFIC_MAX,
        tcx: true,
    };
    let data_path = DataPath::load(&options).context("cannot load the programs")?;
    let maps = pins.join(format!("v{ABI_VERSION}/maps"));
    let (flows, affinities) = (Flows::open(&maps)?, Affinities::open(&maps)?);
    Ok((
        ns,
        KernelMachine {
            data_path,
            flows,
            affinities,
            backends: 0,
            sockets: Vec::new(),
            again: None,
            epoch: 0,
        },
    ))
}

fn build_network() -> Result<()> {
    let script = format!(
        "ip -batch - <<'END'\n{}\nEND",
        textbook::network().commands()
    );
    let mut shell = std::process::Command::new("sh");
    let _printed: String = tidegate_rig::output_of(shell.args(["-ec", &script]))?;
    // What is opened here belongs to the namespace of the thread that opens it.
    for name in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        let path = format!("/proc/sys/net/{name}");
        fs::write(&path, "1").with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}
