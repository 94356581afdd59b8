//! Mounts and modules: what an init system does before anything else.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::path::Path;

use anyhow::{Context as _, Result};
use nix::kmod::init_module;
use nix::mount::{MsFlags, mount};

/// Kind and place of every file system.
const MOUNTS: [(&str, &str); 8] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/run"),
    ("tmpfs", "/tmp"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
];

/// The second serial line; the first is the kernel's console.
const LINE: &str = "/dev/ttyS1";

/// Modules in the order of their names, as `./x vm` has numbered them.
const MODULES: &str = "/modules";

pub(crate) fn prepare() -> Result<()> {
    for (kind, place) in MOUNTS {
        fs::create_dir_all(place).with_context(|| place.to_owned())?;
        mount(
            Some(kind),
            place,
            Some(kind),
            MsFlags::empty(),
            None::<&str>,
        )
        .with_context(|| format!("mount {kind} at {place}"))?;
    }
    put_modules_in()
}

fn put_modules_in() -> Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(MODULES).context(MODULES)? {
        paths.push(entry.context(MODULES)?.path());
    }
    paths.sort();
    for path in paths {
        // What tests need of it will fail by its own name; the rest goes on.
        if let Err(error) = put_in(&path) {
            eprintln!("vm-init: {}: {error:#}", path.display());
        }
    }
    Ok(())
}

fn put_in(module: &Path) -> Result<()> {
    let content = fs::read(module).context("read")?;
    init_module(&content, &CString::default()).context("the kernel refuses the module")
}

/// Where jobs write.
pub(crate) fn second_line() -> Result<File> {
    let opened = OpenOptions::new().write(true).open(LINE);
    opened.context(LINE)
}
