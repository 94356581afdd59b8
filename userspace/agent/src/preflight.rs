//! What must be right on this machine before anything is touched; each complaint says what to do.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use nix::sys::statfs::{BPF_FS_MAGIC, CGROUP2_SUPER_MAGIC, FsType, statfs};

use crate::{
    cidr::PortRange,
    config::{CgroupChoice, Config},
    netlink::Snapshot,
};

/// Bits of `CapEff`, from `linux/capability.h`.
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Checks everything that can be checked without changing anything. Returns where the socket hooks go.
pub(crate) fn check(config: &Config) -> Result<Option<PathBuf>> {
    let _local = masquerade_ports(config)?;
    has_rights()?;
    bpffs(&config.bpffs)?;
    cgroup(config.cgroup.as_ref())
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}: is /proc mounted?"))
}

/// Whether the masquerade ports are free of those of local sockets, which are returned.
pub(crate) fn masquerade_ports(config: &Config) -> Result<PortRange> {
    ports(config, &read("/proc/sys/net/ipv4/ip_local_port_range")?)
}

/// Whether this process may load programs.
pub(crate) fn has_rights() -> Result<()> {
    rights(&read("/proc/self/status")?)
}

/// A masquerade port that a local socket may get would steal that socket's replies.
fn ports(config: &Config, local: &str) -> Result<PortRange> {
    let mut numbers = local.split_whitespace().map(str::parse);
    let (Some(Ok(first)), Some(Ok(last))) = (numbers.next(), numbers.next()) else {
        bail!(
            "/proc/sys/net/ipv4/ip_local_port_range does not hold two ports: {}",
            local.trim()
        );
    };
    let local = PortRange { first, last };
    if config.masquerade_ports.overlaps(&local) {
        bail!(
            "--masquerade-ports {} overlaps the ports of local sockets, {local}: choose other ports, or change the sysctl net.ipv4.ip_local_port_range",
            config.masquerade_ports
        );
    }
    Ok(local)
}

fn rights(status: &str) -> Result<()> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    // An unreadable line proves nothing: let the kernel decide.
    let bits = bits.unwrap_or(u64::MAX);
    let has = |capability: u32| bits >> capability & 1 == 1;
    let may_load = has(CAP_SYS_ADMIN) || has(CAP_BPF) && has(CAP_PERFMON);
    if !may_load || !has(CAP_NET_ADMIN) {
        bail!(
            "missing rights to load eBPF programs: run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
        );
    }
    Ok(())
}

pub(crate) fn bpffs(dir: &Path) -> Result<()> {
    let mut existing = dir.ancestors().filter(|path| path.exists());
    let is_bpffs = existing
        .next()
        .is_some_and(|path| is_on(path, BPF_FS_MAGIC));
    if !is_bpffs {
        bail!(
            "no bpffs at --bpffs {}: mount one with `mount -t bpf bpf /sys/fs/bpf`",
            dir.display()
        );
    }
    Ok(())
}

pub(crate) fn cgroup(choice: Option<&CgroupChoice>) -> Result<Option<PathBuf>> {
    let remedy = "mount one with `mount -t cgroup2 cgroup2 /sys/fs/cgroup`, or say --cgroup off";
    let path = match choice {
        Some(CgroupChoice::Off) => return Ok(None),
        Some(CgroupChoice::Path(path)) => path.clone(),
        None => match cgroup2_mount(&read("/proc/self/mountinfo")?) {
            Some(path) => path,
            None => bail!("no cgroup v2 is mounted: {remedy}"),
        },
    };
    if !is_on(&path, CGROUP2_SUPER_MAGIC) {
        bail!(
            "--cgroup {} is not in a cgroup v2 file system: {remedy}",
            path.display()
        );
    }
    Ok(Some(path))
}

fn is_on(path: &Path, magic: FsType) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == magic)
}

/// The mount point of cgroup2 in `/proc/self/mountinfo`; the root of the hierarchy is preferred.
fn cgroup2_mount(mountinfo: &str) -> Option<PathBuf> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let is_cgroup2 = after.split(' ').next() == Some("cgroup2");
        is_cgroup2.then(|| (root != "/", PathBuf::from(point.replace("\\040", " "))))
    });
    mounts
        .min_by_key(|(is_part, _)| *is_part)
        .map(|(_, point)| point)
}

/// A device that is named without wildcards must exist.
pub(crate) fn named_devices(config: &Config, seen: &Snapshot) -> Result<()> {
    for (flag, glob) in &config.named_devices {
        let Some(name) = glob.literal() else { continue };
        if !seen.links.values().any(|link| link.name == name) {
            let mut names: Vec<&str> = seen.links.values().map(|link| link.name.as_str()).collect();
            names.sort_unstable();
            names.truncate(20);
            bail!(
                "{flag} {name}: no such device; there are {}",
                names.join(", ")
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_from_the_effective_capabilities() {
        assert!(rights("Name:\tx\nCapEff:\t000001ffffffffff\n").is_ok());
        // CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF alone.
        assert!(rights("CapEff:\t000000c000001000\n").is_ok());
        let error = rights("CapEff:\t0000000000000000\n").unwrap_err();
        assert!(error.to_string().starts_with("missing rights"), "{error}");
        assert!(
            rights("CapEff:\t0000000000200000\n").is_err(),
            "CAP_SYS_ADMIN without network"
        );
    }

    #[test]
    fn the_cgroup_mount_is_found_and_the_root_of_the_hierarchy_preferred() {
        let mountinfo = "\
24 1 8:1 / / rw - ext4 /dev/sda1 rw
30 24 0:26 /sub /mnt/part rw,nosuid shared:4 - cgroup2 cgroup2 rw
31 24 0:26 / /sys/fs/my\\040cgroup rw,nosuid shared:5 master:2 - cgroup2 cgroup2 rw
";
        assert_eq!(cgroup2_mount(mountinfo), Some("/sys/fs/my cgroup".into()));
        assert_eq!(cgroup2_mount("24 1 8:1 / / rw - ext4 /dev/sda1 rw\n"), None);
    }

    #[test]
    fn a_directory_that_is_on_no_bpffs_is_refused_with_the_mount_command() {
        let dir = tempfile::tempdir().unwrap();
        let error = bpffs(&dir.path().join("not/there/yet")).unwrap_err();
        assert!(
            error.to_string().contains("mount -t bpf bpf /sys/fs/bpf"),
            "{error}"
        );
    }

    #[test]
    fn a_directory_that_is_on_no_cgroup_file_system_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let choice = CgroupChoice::Path(dir.path().to_owned());
        let error = cgroup(Some(&choice)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is not in a cgroup v2 file system"),
            "{error}"
        );
        assert_eq!(cgroup(Some(&CgroupChoice::Off)).unwrap(), None);
    }
}
