//! The initial file system of a virtual machine: the first process, modules, programs and jobs.
//!
//! Three archives, one after the other: the kernel's part, this machine's programs with the tests, and the jobs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tidegate_rig::output_of;

use super::built::Built;
use super::cpio::Archive;
use super::floors::Job;
use super::modules;
use super::programs;

/// What the scenes and the programs of tidegate want of a kernel, as modules or built in. Asked for by name,
/// since there is nobody to load a module when it is wanted.
const MODULES: [&str; 20] = [
    "virtio_pci",
    "virtio_rng",
    "virtio_net",
    "veth",
    "dummy",
    "bridge",
    "8021q",
    "sch_ingress",
    "cls_bpf",
    "act_bpf",
    "nf_tables",
    "nft_ct",
    "nft_nat",
    "nft_masq",
    "nft_reject_inet",
    "nft_chain_nat",
    "inet_diag",
    "tcp_diag",
    "udp_diag",
    "sctp",
];

/// The part that all kernels share.
pub(super) fn shared(built: &Built) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.file("init", 0o755, &read(&built.init)?);
    programs::put(&mut archive)?;
    for program in built.programs() {
        let stripped = strip(&program.path)?;
        programs::put_program(&mut archive, &program.path, &program.inside(), &stripped)?;
    }
    for directory in ["root", "var/run", "etc"] {
        archive.directory(directory);
    }
    Ok(archive.finish())
}

/// The part of one kernel, and the modules that it does not have.
pub(super) fn of_kernel(directory: &Path) -> Result<(Vec<u8>, Vec<String>)> {
    let (modules, missing) = modules::resolve(directory, &MODULES)?;
    ensure!(
        modules.len() < 1000,
        "more modules than their names can order"
    );
    let mut archive = Archive::default();
    for (index, module) in modules.iter().enumerate() {
        archive.file(
            &format!("modules/{index:03}-{}.ko", module.name),
            0o644,
            &module.content,
        );
    }
    archive.device("dev/console", 5, 1);
    archive.device("dev/null", 1, 3);
    Ok((archive.finish(), missing))
}

/// The jobs, as the first process reads them.
pub(super) fn of_jobs(jobs: &[Job]) -> Vec<u8> {
    let mut archive = Archive::default();
    let lines: String = jobs.iter().map(Job::line).collect();
    archive.file("jobs", 0o644, lines.as_bytes());
    archive.finish()
}

/// Without what only debuggers read: most of a test's size.
fn strip(program: &Path) -> Result<Vec<u8>> {
    let at = PathBuf::from(format!("{}.stripped", program.display()));
    output_of(Command::new("strip").arg("-o").arg(&at).arg(program))?;
    let content = read(&at);
    fs::remove_file(&at).with_context(|| at.display().to_string())?;
    content
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}
