//! A state directory that is full, or that cannot be written to.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};
use serde_json::{Value, json};
use tidegate_e2e::{Ep, Proto, Svc, World, served_by};

use crate::{ask, list, objects, socket};

/// A small file system that only this thread and the agents that it starts can see.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn at(path: &'a Path) -> Result<Self> {
        mount(
            Some("tidegate-test"),
            path,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=512k"),
        )?;
        Ok(Self(path))
    }

    fn read_only(&self) -> Result<()> {
        let none = None::<&str>;
        Ok(mount(
            none,
            self.0,
            none,
            MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY,
            none,
        )?)
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // The namespace ends with the thread in any case.
        let _unmounted = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

fn own_mounts() -> Result<()> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    Ok(mount(
        none,
        "/",
        none,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        none,
    )?)
}

fn message(answer: &Value) -> String {
    answer["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_full_disk_refuses_changes_and_the_node_serves_on() -> Result<()> {
    own_mounts()?;
    let mut world = World::builder().pods(2, 0).no_agent().build()?;
    let state = world.scene.dir("nodea/state")?;
    let _disk = Disk::at(&state)?;
    world.replace_agent()?;
    let (socket, svc) = (socket(&world)?, Svc::new("full", 1));
    let all = objects(&svc, &[Ep::of(world.a(1))]);
    ask(
        &socket,
        "PUT",
        "/v1/snapshot",
        Some(&list(all.clone())),
        200,
    )?;
    let ballast = state.join("ballast");
    // It takes what there is, and fails for the rest.
    ensure!(
        fs::write(&ballast, vec![0; 600 << 10]).is_err(),
        "the disk is not small"
    );
    let serves = |world: &World| {
        served_by(
            &world.a(2).ns,
            Proto::Tcp,
            svc.cluster(false),
            &[&world.a(1).name],
        )
    };
    let mut other = all.clone();
    other[0]["metadata"]["annotations"] = json!({ "note": "x".repeat(9000) });
    other[0]["spec"]["ports"][0]["port"] = json!(81);
    for (method, path) in [("PUT", "/v1/snapshot"), ("POST", "/v1/apply")] {
        let answer = ask(&socket, method, path, Some(&list(other.clone())), 507)?;
        let line = message(&answer);
        ensure!(
            line.starts_with("nothing is changed: no room to store it"),
            "{line}"
        );
        serves(&world)?;
    }
    world.replace_agent()?;
    serves(&world)?;
    let shown = ask(&socket, "GET", "/v1/snapshot", None, 200)?;
    ensure!(
        shown["items"]
            .as_array()
            .is_some_and(|items| items.len() == 3),
        "{shown}"
    );
    fs::remove_file(&ballast)?;
    ask(&socket, "PUT", "/v1/snapshot", Some(&list(other)), 200)?;
    Ok(())
}

#[test]
fn a_read_only_state_directory_serves_what_it_has_and_takes_nothing() -> Result<()> {
    own_mounts()?;
    let mut world = World::builder().pods(2, 0).no_agent().build()?;
    let state = world.scene.dir("nodea/state")?;
    let disk = Disk::at(&state)?;
    world.replace_agent()?;
    let (socket, svc) = (socket(&world)?, Svc::new("fixed", 1));
    let all = list(objects(&svc, &[Ep::of(world.a(1))]));
    ask(&socket, "PUT", "/v1/snapshot", Some(&all), 200)?;
    world.kill_agent()?;
    disk.read_only()?;
    world.replace_agent()?;
    served_by(
        &world.a(2).ns,
        Proto::Tcp,
        svc.cluster(false),
        &[&world.a(1).name],
    )?;
    let answer = ask(&socket, "PUT", "/v1/snapshot", Some(&json!([])), 500)?;
    let line = message(&answer);
    ensure!(line.contains("make --state-dir writable"), "{line}");
    served_by(
        &world.a(2).ns,
        Proto::Tcp,
        svc.cluster(false),
        &[&world.a(1).name],
    )
}
