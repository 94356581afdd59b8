//! The socket hooks on the cgroup of this machine.
//!
//! They act on processes of the test's namespace only, so nobody else notices.

use std::{
    fs::File,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use tidegate_loader::{CGROUP_PROGRAMS, detach_all};
use tidegate_rig::bpf;

use crate::{
    says::{self, Link},
    stage::Stage,
};

/// `enum bpf_attach_type` of each of [`CGROUP_PROGRAMS`].
const HOOKS: [u32; 8] = [10, 11, 14, 15, 19, 20, 29, 30];

fn cgroup2() -> Result<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let mut mounts = mounts.lines().map(|line| line.split(' '));
    let point = mounts.find_map(|mut fields| {
        let point = fields.nth(1)?;
        (fields.next() == Some("cgroup2")).then(|| point.into())
    });
    point.context("no cgroup v2 is mounted")
}

/// The link of each hook.
fn links(stage: &Stage) -> Result<Vec<Link>> {
    let pin = |name| stage.pins.join(format!("v1/links/cgroup-{name}"));
    CGROUP_PROGRAMS
        .iter()
        .map(|name| says::link_at(&pin(name)))
        .collect()
}

#[test]
fn all_eight_hooks_are_attached_and_go_with_detach_all() -> Result<()> {
    let stage = Stage::new()?;
    let cgroup = cgroup2()?;
    let mut data_path = stage.load()?;
    data_path.attach_cgroup(&cgroup)?;
    let links = links(&stage)?;
    let directory = File::open(&cgroup)?;
    let target = directory.as_raw_fd().cast_unsigned();
    for ((link, hook), name) in links.iter().zip(HOOKS).zip(CGROUP_PROGRAMS) {
        ensure!(link.kind == "cgroup", "{name}: {link:?}");
        ensure!(says::program_name(link.program)? == name);
        let here = says::programs_at(target, hook)?;
        ensure!(here.contains(&link.program), "{name}: not among {here:?}");
    }
    drop(data_path);
    let removed = detach_all(&stage.pins)?;
    for name in CGROUP_PROGRAMS {
        ensure!(
            removed.contains(&format!("link cgroup-{name}")),
            "{name}: not among {removed:?}"
        );
    }
    for (link, hook) in links.iter().zip(HOOKS) {
        says::link_goes(link.id)?;
        // Its number goes first.
        says::soon(|| {
            let here = says::programs_at(target, hook)?;
            ensure!(!here.contains(&link.program), "still there: {link:?}");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn rule_5_1_11_hooks_that_somebody_detaches_are_noticed_and_put_back() -> Result<()> {
    let stage = Stage::new()?;
    let cgroup = cgroup2()?;
    let mut data_path = stage.load()?;
    ensure!(!data_path.repair_cgroup()?, "there are none to put back");
    data_path.attach_cgroup(&cgroup)?;
    ensure!(!data_path.repair_cgroup()?, "all are there");
    let target = File::open(&cgroup)?;
    for (at, name) in CGROUP_PROGRAMS.iter().enumerate() {
        let before = links(&stage)?;
        bpf::detach(&stage.link_pin(&format!("cgroup-{name}")))?;
        ensure!(data_path.repair_cgroup()?, "{name}: not noticed");
        let after = links(&stage)?;
        let here = says::programs_at(target.as_raw_fd().cast_unsigned(), HOOKS[at])?;
        ensure!(here.contains(&after[at].program), "{name}: {here:?}");
        let kept = before.iter().zip(&after).filter(|(old, new)| old == new);
        ensure!(kept.count() == before.len() - 1, "{before:?}, {after:?}");
        ensure!(!data_path.repair_cgroup()?, "{name}: not put back");
    }
    Ok(())
}

#[test]
fn a_second_attach_and_a_restart_keep_the_links() -> Result<()> {
    let stage = Stage::new()?;
    let cgroup = cgroup2()?;
    let mut first = stage.load()?;
    first.attach_cgroup(&cgroup)?;
    let before = links(&stage)?;
    first.attach_cgroup(&cgroup)?;
    ensure!(links(&stage)? == before, "another attach made other links");
    drop(first);
    let mut second = stage.load()?;
    second.attach_cgroup(&cgroup)?;
    for (old, new) in before.iter().zip(links(&stage)?) {
        ensure!(old.id == new.id, "another link: {old:?}, {new:?}");
        ensure!(old.program != new.program, "the old program: {new:?}");
    }
    Ok(())
}

#[test]
fn a_directory_that_is_no_cgroup_is_an_error_and_leaves_no_hook() -> Result<()> {
    let stage = Stage::new()?;
    let mut data_path = stage.load()?;
    let attached = data_path.attach_cgroup("/tmp".as_ref());
    let error = attached.err().context("attached to /tmp")?.to_string();
    ensure!(
        error.contains("/tmp is not a cgroup v2 directory") && error.contains("mount -t cgroup2"),
        "{error}"
    );
    ensure!(stage.links()?.is_empty(), "{:?}", stage.links()?);
    Ok(())
}

#[test]
fn another_cgroup_gets_the_hooks_and_without_one_they_go() -> Result<()> {
    let stage = Stage::new()?;
    let cgroup = cgroup2()?;
    let child = cgroup.join(format!("tidegate-test-{}", std::process::id()));
    std::fs::create_dir(&child)?;
    let moved = move_to(&stage, &cgroup, &child);
    detach_all(&stage.pins)?;
    std::fs::remove_dir(&child)?;
    moved
}

fn move_to(stage: &Stage, from: &Path, to: &Path) -> Result<()> {
    let mut data_path = stage.load()?;
    data_path.attach_cgroup(from)?;
    let before = links(stage)?;
    data_path.attach_cgroup(to)?;
    let after = links(stage)?;
    let target = File::open(to)?;
    for ((old, new), hook) in before.iter().zip(&after).zip(HOOKS) {
        says::link_goes(old.id)?;
        let here = says::programs_at(target.as_raw_fd().cast_unsigned(), hook)?;
        ensure!(here == [new.program], "at the new one: {here:?}");
    }
    data_path.detach_cgroup()?;
    after.iter().try_for_each(|link| says::link_goes(link.id))?;
    ensure!(stage.links()?.is_empty(), "{:?}", stage.links()?);
    Ok(())
}
