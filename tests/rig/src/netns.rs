//! One network namespace: programs, closures and settings inside it.
//!
//! Programs enter by `setns` between fork and exec, closures on a thread of their own. `ip netns
//! exec` is not used: it mounts /sys anew, which hides bpffs and the cgroups from the program.

use std::fs::{self, File};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use crate::shell::output_of;

pub(crate) const NAMED: &str = "/run/netns";

/// A named network namespace. Clones are handles to the same one; its [`Scene`](crate::Scene)
/// deletes it.
#[derive(Clone, Debug)]
pub struct Netns {
    name: String,
    file: Arc<File>,
}

impl Netns {
    pub(crate) fn create(name: &str) -> Result<Self> {
        output_of(Command::new("ip").args(["netns", "add", name]))?;
        let ns = Self::open(name)?;
        ns.ip("link set lo up")?;
        Ok(ns)
    }

    pub(crate) fn open(name: &str) -> Result<Self> {
        let path = Path::new(NAMED).join(name);
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self {
            name: name.to_owned(),
            file: Arc::new(file),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the namespace is bound: what `nsenter --net=` takes.
    pub fn path(&self) -> PathBuf {
        Path::new(NAMED).join(&self.name)
    }

    /// A command that will run inside.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let file = Arc::clone(&self.file);
        let enter = move || {
            // The signals that our caller blocks are its own affair.
            SigSet::empty().thread_set_mask()?;
            Ok(setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?)
        };
        // SAFETY: between fork and exec `enter` makes two system calls, one of them on a
        // descriptor that the Arc keeps open, and neither allocates nor takes a lock.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Runs a shell line inside and returns what it printed.
    pub fn sh(&self, line: &str) -> Result<String> {
        output_of(self.command("sh").args(["-ec", line])).with_context(|| self.name.clone())
    }

    /// Runs one line or many of `ip` commands inside, in one process.
    pub fn ip(&self, lines: &str) -> Result<()> {
        let script = format!("ip -batch - <<'END'\n{lines}\nEND");
        self.sh(&script).map(|_printed| ())
    }

    /// Runs a closure inside, on a thread of its own; a panic goes on in the caller.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                self.enter();
                work()
            });
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread that lives inside.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let ns = self.clone();
        thread::spawn(move || {
            ns.enter();
            work()
        })
    }

    /// Sets `net.<name>`, for example `ipv4.ip_forward`; a device's name may hold no dot.
    pub fn sysctl(&self, name: &str, value: impl ToString) -> Result<()> {
        let path = format!("/proc/sys/net/{}", name.replace('.', "/"));
        let value = value.to_string();
        // The file that is opened depends on the namespace of the thread that opens it.
        self.run(|| fs::write(&path, &value))
            .with_context(|| format!("{}: {path}", self.name))
    }

    fn enter(&self) {
        let fd = self.file.as_fd();
        let entered = setns(fd, CloneFlags::CLONE_NEWNET);
        entered.unwrap_or_else(|errno| {
            panic!(
                "cannot enter namespace {} (fd {}): {errno}",
                self.name,
                fd.as_raw_fd()
            )
        });
    }

    /// Kills every process inside, whoever started it; says how many there were.
    pub(crate) fn kill_processes(&self) -> usize {
        let Ok(this) = self.file.metadata() else {
            return 0;
        };
        let inside = processes().filter(|&pid| {
            // By number, not by name: the namespace may be bound at several places.
            fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|ns| ns.ino() == this.ino() && ns.dev() == this.dev())
        });
        let alien = inside.filter(|&pid| pid.cast_unsigned() != process::id());
        alien
            .filter(|&pid| kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok())
            .count()
    }

    /// Ends everything inside and takes the name away.
    pub(crate) fn delete(&self) -> Result<()> {
        self.kill_processes();
        output_of(Command::new("ip").args(["netns", "del", &self.name])).map(|_printed| ())
    }
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
