//! One virtual machine, from power-on to power-off.
//!
//! Emulated (TCG): where KVM is offered it may still be unable to run these kernels, and opening its device
//! does not tell. See docs/testing.md.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::interrupt;

const MEMORY_MIB: u32 = 2048;

/// What a machine is made of.
pub(super) struct Machine<'a> {
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    /// Where the kernel's own words are put.
    pub(super) console: &'a Path,
    pub(super) within: Duration,
}

/// Runs a machine to its end, or to the end of its time; what its jobs say goes to `take`, line by line.
/// Says whether it ended by itself.
pub(super) fn run(machine: &Machine<'_>, mut take: impl FnMut(&str)) -> Result<bool> {
    let mut command = qemu(machine);
    let mut child = interrupt::spawn(&mut command)
        .context("cannot run qemu-system-x86_64: is qemu-system-x86 installed?")?;
    let stdout = child.stdout.take().context("qemu without stdout")?;
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line);
            if sender.send(text.trim_end_matches('\r').to_owned()).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + machine.within;
    let ended = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => take(&line),
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().context("end qemu")?;
                break false;
            }
        }
    };
    let status = child.wait().context("wait for qemu")?;
    interrupt::child_is_gone();
    // It has ended, and with it what it wrote to.
    let _panicked = reader.join();
    ensure!(!ended || status.success(), "qemu failed ({status})");
    Ok(ended)
}

const EMULATOR: &str = "qemu-system-x86_64";

/// What is needed to make and run a machine, and is not installed.
pub(super) fn missing_program() -> Option<&'static str> {
    let is_missing = |program: &&str| {
        let found = std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|directory| directory.join(program).exists())
        });
        !found
    };
    [EMULATOR, "apt-get", "dpkg", "xz", "zstd", "strip"]
        .into_iter()
        .find(is_missing)
}

fn qemu(machine: &Machine<'_>) -> Command {
    let mut command = Command::new(EMULATOR);
    command
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-M", "q35", "-smp", "2"])
        .args(["-m", &MEMORY_MIB.to_string()])
        .args(["-nodefaults", "-display", "none", "-no-reboot"])
        .args(["-device", "virtio-rng-pci"])
        // One cable, two cards.
        .args(["-netdev", "hubport,id=cable0,hubid=0"])
        .args(["-device", "virtio-net-pci,netdev=cable0"])
        .args(["-netdev", "hubport,id=cable1,hubid=0"])
        .args(["-device", "virtio-net-pci,netdev=cable1"])
        .arg("-serial")
        .arg(format!("file:{}", machine.console.display()))
        .args(["-serial", "stdio"])
        .arg("-kernel")
        .arg(machine.kernel)
        .arg("-initrd")
        .arg(machine.initramfs)
        .args(["-append", "console=ttyS0 panic=-1 loglevel=5 nowatchdog cryptomgr.notests net.ifnames=0 mitigations=off random.trust_cpu=on"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// Words in the kernel's log that are a failure, whatever the tests say.
const ALARMS: [&str; 6] = [
    "BUG:",
    "Oops",
    "WARNING:",
    "Kernel panic",
    "soft lockup",
    "vm-init:",
];

/// What the kernel complained of.
pub(super) fn complaints(console: &Path) -> Result<Vec<String>> {
    let log = fs::read(console).with_context(|| console.display().to_string())?;
    let log = String::from_utf8_lossy(&log);
    let alarming = log
        .lines()
        .filter(|line| ALARMS.iter().any(|alarm| line.contains(alarm)));
    Ok(alarming.map(|line| line.trim().to_owned()).collect())
}

/// Its last words.
pub(super) fn last_words(console: &Path) -> String {
    let log = fs::read(console).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let mut last: Vec<_> = log.lines().rev().take(40).collect();
    last.reverse();
    last.join("\n")
}
